using System.Runtime.Serialization;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>Points of runs' curves, to the wire and back.</summary>
internal static class CurveMessages
{
    private const int MaxLayers = 65_536;

    public static Wire.CurveReport ToWire(CurveReport report) => new()
    {
        Run = report.Run.Value,
        Generation = report.Generation.Value,
        Segment = ToWire(report.Segment),
    };

    public static CurveReport FromWire(Wire.CurveReport message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation),
        FromWire(message.Segment));

    public static Wire.CurvesTaken ToWire(CurvesTaken taken) => new()
    {
        Run = taken.Run.Value,
        Generation = taken.Generation.Value,
        EndStep = taken.EndStep,
    };

    public static CurvesTaken FromWire(Wire.CurvesTaken message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation), message.EndStep);

    public static Wire.CurveSegment ToWire(CurveSegment segment) => new()
    {
        Layers = segment.Layers,
        Points = UnsafeByteOperations.UnsafeWrap(CurveFormat.Write(segment)),
    };

    public static CurveSegment FromWire(Wire.CurveSegment? message)
    {
        message = WireChecks.Required(message, "points of curves");
        if (message.Layers is < 0 or > MaxLayers
            || message.Points.Length
                > (long)CurveRecorder.MaxReported * CurveFormat.BytesOf(message.Layers))
        {
            throw new SerializationException(
                $"{message.Points.Length:N0} bytes of curves of {message.Layers:N0} layers, where"
                + $" at most {CurveRecorder.MaxReported:N0} points may be");
        }

        try
        {
            return CurveFormat.Read(message.Points.Span, message.Layers);
        }
        catch (FormatException mistake)
        {
            throw new SerializationException(mistake.Message, mistake);
        }
    }
}
