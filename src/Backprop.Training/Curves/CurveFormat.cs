using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Backprop.Training.Curves;

/// <summary>Points as bytes: 56 a point, little-endian, and then the norm of each layer as fp32.
/// </summary>
public static class CurveFormat
{
    private const int PointBytes = 56;

    /// <summary>Bytes of a point with its norms.</summary>
    public static int BytesOf(int layers) => PointBytes + (layers * sizeof(float));

    /// <summary>Writes points.</summary>
    public static byte[] Write(CurveSegment segment)
    {
        int each = BytesOf(segment.Layers);
        var bytes = new byte[segment.Points.Length * each];
        for (int i = 0; i < segment.Points.Length; i++)
        {
            Span<byte> place = bytes.AsSpan(i * each, each);
            CurvePoint point = segment.Points[i];
            BinaryPrimitives.WriteInt64LittleEndian(place, point.FirstStep);
            BinaryPrimitives.WriteInt64LittleEndian(place[8..], point.Steps);
            BinaryPrimitives.WriteDoubleLittleEndian(place[16..], point.LossMin);
            BinaryPrimitives.WriteDoubleLittleEndian(place[24..], point.LossMean);
            BinaryPrimitives.WriteDoubleLittleEndian(place[32..], point.LossMax);
            BinaryPrimitives.WriteDoubleLittleEndian(place[40..], point.GradientNorm);
            BinaryPrimitives.WriteSingleLittleEndian(place[48..], point.LearningRate);
            BinaryPrimitives.WriteSingleLittleEndian(place[52..], point.StepSeconds);
            ReadOnlySpan<float> norms = segment.NormsOf(i);
            for (int layer = 0; layer < norms.Length; layer++)
            {
                BinaryPrimitives.WriteSingleLittleEndian(
                    place[(PointBytes + (layer * sizeof(float)))..], norms[layer]);
            }
        }

        return bytes;
    }

    /// <summary>Reads points.</summary>
    /// <param name="bytes">What <see cref="Write"/> wrote.</param>
    /// <param name="layers">Layers that the run has.</param>
    /// <exception cref="FormatException">They are no points of such a run.</exception>
    public static CurveSegment Read(ReadOnlySpan<byte> bytes, int layers)
    {
        int each = BytesOf(layers);
        if (bytes.Length % each != 0)
        {
            throw new FormatException(
                $"{bytes.Length:N0} bytes of curves, where a point has {each:N0}");
        }

        int count = bytes.Length / each;
        var points = ImmutableArray.CreateBuilder<CurvePoint>(count);
        var norms = ImmutableArray.CreateBuilder<float>(count * layers);
        for (; !bytes.IsEmpty; bytes = bytes[each..])
        {
            points.Add(new CurvePoint(
                BinaryPrimitives.ReadInt64LittleEndian(bytes),
                BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
                BinaryPrimitives.ReadDoubleLittleEndian(bytes[16..]),
                BinaryPrimitives.ReadDoubleLittleEndian(bytes[24..]),
                BinaryPrimitives.ReadDoubleLittleEndian(bytes[32..]),
                BinaryPrimitives.ReadDoubleLittleEndian(bytes[40..]),
                BinaryPrimitives.ReadSingleLittleEndian(bytes[48..]),
                BinaryPrimitives.ReadSingleLittleEndian(bytes[52..])));
            for (int layer = 0; layer < layers; layer++)
            {
                norms.Add(BinaryPrimitives.ReadSingleLittleEndian(
                    bytes[(PointBytes + (layer * sizeof(float)))..]));
            }
        }

        var segment = new CurveSegment(layers, points.MoveToImmutable(), norms.MoveToImmutable());
        return segment.Refusal(layers) is { } reason
            ? throw new FormatException(reason)
            : segment;
    }
}
