using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>One kind of message that may travel or be stored.</summary>
/// <param name="Manifest">What it is called on the wire and in the journal; frozen.</param>
/// <param name="Type">What it is here.</param>
/// <param name="MaxBytes">The longest that is read or written.</param>
/// <param name="ToWire">To its message.</param>
/// <param name="FromWire">From the bytes of its message.</param>
internal sealed record WireKind(
    string Manifest, Type Type, int MaxBytes, Func<object, IMessage> ToWire,
    Func<byte[], object> FromWire)
{
    /// <summary>Whether its bytes end in a checksum: of what is stored, and has none elsewhere.
    /// </summary>
    public bool HasChecksum { get; init; }

    /// <summary>Whether it is a piece in the snapshot store, which has a digest of its own.
    /// </summary>
    public bool IsPiece => Type == typeof(CheckpointPiece) || Type == typeof(FilePiece);

    // A status may carry the sums of a part of an evaluation; everything else is far smaller.
    private const int MaxControlBytes = 16 << 20;

    // Spans of some steps, and where each gradient came from, with names.
    private const int MaxTimelineBytes = 2 << 20;

    // What a piece has beside its content.
    private const int PieceOverheadBytes = 8_192;

    /// <summary>Every kind there is.</summary>
    public static ImmutableArray<WireKind> All { get; } =
    [
        Of("SD", MaxControlBytes, ServerMessages.ToWire,
            Wire.ServerDirective.Parser, ServerMessages.FromWire),
        Of("SS", MaxControlBytes, ServerMessages.ToWire,
            Wire.ServerStatus.Parser, ServerMessages.FromWire),
        Of("WD", MaxControlBytes, WorkerMessages.ToWire,
            Wire.WorkerDirective.Parser, WorkerMessages.FromWire),
        Of("WS", MaxControlBytes, WorkerMessages.ToWire,
            Wire.WorkerStatus.Parser, WorkerMessages.FromWire),
        Of("CP", PieceCut.MaxPieceBytes + PieceOverheadBytes, PieceMessages.ToWire,
            Wire.CheckpointPiece.Parser, PieceMessages.FromWire),
        Of("FP", FilePiece.MaxBytes + PieceOverheadBytes, PieceMessages.ToWire,
            Wire.FilePiece.Parser, PieceMessages.FromWire),
        Of("SQ", MaxControlBytes, NodeQuestions.ToWire,
            Wire.SetupRequest.Parser, NodeQuestions.FromWire),
        Of("SU", MaxControlBytes, NodeQuestions.ToWire,
            Wire.RunSetup.Parser, NodeQuestions.FromWire),
        Of("MQ", MaxControlBytes, NodeQuestions.ToWire,
            Wire.ManifestRequest.Parser, NodeQuestions.FromWire),
        Of("MA", MaxControlBytes, NodeQuestions.ToWire,
            Wire.ManifestAnswer.Parser, NodeQuestions.FromWire),
        Of("OQ", MaxControlBytes, NodeQuestions.ToWire,
            Wire.OutlineRequest.Parser, NodeQuestions.FromWire),
        Of("OA", MaxControlBytes, NodeQuestions.ToWire,
            Wire.OutlineAnswer.Parser, NodeQuestions.FromWire),
        Of("EQ", MaxControlBytes, NodeQuestions.ToWire,
            Wire.ExaminationRequest.Parser, NodeQuestions.FromWire),
        Of("EA", MaxControlBytes, NodeQuestions.ToWire,
            Wire.ExaminationAnswer.Parser, NodeQuestions.FromWire),
        Of("SP", MaxControlBytes, NodeQuestions.ToWire,
            Wire.StepProgress.Parser, NodeQuestions.FromWire),
        Of("CQ", MaxControlBytes, UserMessages.ToWire,
            Wire.CoordinatorRequest.Parser, UserMessages.FromWire),
        Of("CA", MaxControlBytes, UserMessages.ToWire,
            Wire.CoordinatorAnswer.Parser, UserMessages.FromWire),
        Stored("RE", EventMessages.ToWire, Wire.RunEvent.Parser, EventMessages.FromWire,
            message => message.HasChecksum ? message.Checksum : null),
        Of("IN", MaxControlBytes, NodeQuestions.ToWire,
            Wire.Introduction.Parser, NodeQuestions.FromWire),
        Of("DR", MaxControlBytes, DigestMessages.ToWire,
            Wire.DigestReport.Parser, DigestMessages.FromWire),
        Of("DT", MaxControlBytes, DigestMessages.ToWire,
            Wire.DigestsTaken.Parser, DigestMessages.FromWire),
        Of("VR", MaxControlBytes, CurveMessages.ToWire,
            Wire.CurveReport.Parser, CurveMessages.FromWire),
        Of("VT", MaxControlBytes, CurveMessages.ToWire,
            Wire.CurvesTaken.Parser, CurveMessages.FromWire),
        Of("PR", MaxControlBytes, DigestMessages.ToWire,
            Wire.PushReport.Parser, DigestMessages.FromWire),
        Of("CR", MaxControlBytes, DigestMessages.ToWire,
            Wire.CheckReport.Parser, DigestMessages.FromWire),
        Of("TQ", MaxControlBytes, TimelineMessages.ToWire,
            Wire.TimelineRequest.Parser, TimelineMessages.FromWire),
        Of("TA", MaxTimelineBytes, TimelineMessages.ToWire,
            Wire.TimelineAnswer.Parser, TimelineMessages.FromWire),
        Stored("GE", RegistryMessages.ToWire, Wire.RegistryEvent.Parser, RegistryMessages.FromWire,
            message => message.HasChecksum ? message.Checksum : null),
    ];

    /// <summary>The kinds by manifest.</summary>
    public static FrozenDictionary<string, WireKind> ByManifest { get; } =
        All.ToFrozenDictionary(kind => kind.Manifest, StringComparer.Ordinal);

    private static readonly FrozenDictionary<Type, WireKind> s_byType =
        All.ToFrozenDictionary(kind => kind.Type);

    /// <summary>The kind of a type, or of the nearest that it inherits from; null: it has none.
    /// </summary>
    public static WireKind? Of(Type type)
    {
        for (Type? known = type; known is not null; known = known.BaseType)
        {
            if (s_byType.TryGetValue(known, out WireKind? kind))
            {
                return kind;
            }
        }

        return null;
    }

    private static WireKind Stored<T, TMessage>(
        string manifest, Func<T, TMessage> toWire, MessageParser<TMessage> parser,
        Func<TMessage, T> fromWire, Func<TMessage, uint?> checksumOf)
        where T : notnull
        where TMessage : IMessage<TMessage> =>
        new(
            manifest, typeof(T), MaxControlBytes, value => toWire((T)value),
            bytes =>
            {
                TMessage message = parser.ParseFrom(bytes);
                EventChecksum.Require(bytes, checksumOf(message));
                return fromWire(message);
            })
        {
            HasChecksum = true,
        };

    private static WireKind Of<T, TMessage>(
        string manifest, int maxBytes, Func<T, TMessage> toWire, MessageParser<TMessage> parser,
        Func<TMessage, T> fromWire)
        where T : notnull
        where TMessage : IMessage<TMessage> =>
        new(
            manifest, typeof(T), maxBytes, value => toWire((T)value),
            bytes => fromWire(parser.ParseFrom(bytes)));
}
