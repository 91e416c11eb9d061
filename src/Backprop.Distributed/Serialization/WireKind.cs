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
    // A status may carry the sums of a part of an evaluation; everything else is far smaller.
    private const int MaxControlBytes = 16 << 20;

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
    ];

    /// <summary>The kinds by manifest.</summary>
    public static FrozenDictionary<string, WireKind> ByManifest { get; } =
        All.ToFrozenDictionary(kind => kind.Manifest, StringComparer.Ordinal);

    /// <summary>The kinds by type.</summary>
    public static FrozenDictionary<Type, WireKind> ByType { get; } =
        All.ToFrozenDictionary(kind => kind.Type);

    private static WireKind Of<T, TMessage>(
        string manifest, int maxBytes, Func<T, TMessage> toWire, MessageParser<TMessage> parser,
        Func<TMessage, T> fromWire)
        where T : notnull
        where TMessage : IMessage<TMessage> =>
        new(
            manifest, typeof(T), maxBytes, value => toWire((T)value),
            bytes => fromWire(parser.ParseFrom(bytes)));
}
