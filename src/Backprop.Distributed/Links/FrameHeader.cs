using System.Buffers.Binary;
using Backprop.Engine.Gradients;
using Backprop.Engine.Numerics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>
/// What stands before every payload: what it is, which run, generation, step and place it belongs
/// to, and how long it is. <c>docs/tensor-links.md</c> has the bytes.
/// </summary>
public readonly record struct FrameHeader
{
    /// <summary>Bytes on the wire, checksums included.</summary>
    public const int Bytes = 64;

    /// <summary>Bytes of the longest piece: 262,144 elements.</summary>
    public const int MaxPieceBytes = 1 << 20;

    /// <summary>Bytes of the longest payload of the small lane.</summary>
    public const int MaxSmallBytes = 1 << 16;

    /// <summary>Bytes of a copy's offer.</summary>
    public const int OfferBytes = 24;

    /// <summary>Bytes of the longest reason of a close.</summary>
    public const int MaxReasonBytes = 512;

    // Micro-batches are at most 65,536, so the root's level is at most 16.
    private const int MaxLevel = 16;
    private const int PayloadCrcAt = 56;
    private const int HeaderCrcAt = 60;

    /// <summary>What the frame carries.</summary>
    public required FrameType Type { get; init; }

    /// <summary>The run; nothing in a control frame.</summary>
    public RunHash Run { get; init; }

    /// <summary>The generation, from 0.</summary>
    public long Generation { get; init; }

    /// <summary>The step of a push, a loss or block sums; the version of a broadcast, a request
    /// or a copy.</summary>
    public long Step { get; init; }

    /// <summary>The tree node of a push or a loss.</summary>
    public TreeNode Node { get; init; }

    /// <summary>The index of the piece; for block sums that of the slice; for a copy its section;
    /// for an offer the first block; for credit the bulk frames granted.</summary>
    public int Piece { get; init; }

    /// <summary>The first element in the flat vector; for block sums the first of the sums; for
    /// an offer one past the last block; for credit the small frames granted.</summary>
    public int Offset { get; init; }

    /// <summary>How the elements of a push are written; those of a broadcast always as they are.
    /// </summary>
    public ElementEncoding Encoding { get; init; }

    /// <summary>Bytes of the payload.</summary>
    public int PayloadBytes { get; init; }

    /// <summary>The lane that a frame of this type takes.</summary>
    public FrameLane Lane => Type switch
    {
        FrameType.Push or FrameType.Broadcast or FrameType.Copy => FrameLane.Bulk,
        FrameType.Loss or FrameType.BlockSums or FrameType.RequestPieces
            or FrameType.CopyOffer or FrameType.CopyRequest => FrameLane.Small,
        _ => FrameLane.Control,
    };

    /// <summary>Elements of a push or a broadcast; of a copy, with the digest.</summary>
    public int ElementCount => PayloadBytes / ElementBytes;

    private int ElementBytes =>
        Encoding == ElementEncoding.Bf16 ? Bfloat16.Bytes : sizeof(float);

    /// <summary>The header of a piece of a tree node's gradient.</summary>
    public static FrameHeader Push(
        RunHash run, long generation, long step, TreeNode node, int piece, int offset, int length,
        ElementEncoding encoding = ElementEncoding.Fp32)
        => new()
        {
            Type = FrameType.Push,
            Encoding = encoding,
            Run = run,
            Generation = generation,
            Step = step,
            Node = node,
            Piece = piece,
            Offset = offset,
            PayloadBytes = checked(
                length * (encoding == ElementEncoding.Bf16 ? Bfloat16.Bytes : sizeof(float))),
        };

    /// <summary>The header of a piece of a version of the weights.</summary>
    public static FrameHeader Broadcast(
        RunHash run, long generation, long version, int piece, int offset, int length) => new()
        {
            Type = FrameType.Broadcast,
            Run = run,
            Generation = generation,
            Step = version,
            Piece = piece,
            Offset = offset,
            PayloadBytes = checked(length * sizeof(float)),
        };

    /// <summary>The header of a tree node's loss sum.</summary>
    public static FrameHeader Loss(RunHash run, long generation, long step, TreeNode node) => new()
    {
        Type = FrameType.Loss,
        Run = run,
        Generation = generation,
        Step = step,
        Node = node,
        PayloadBytes = sizeof(double),
    };

    /// <summary>The header of sums of a slice.</summary>
    /// <param name="run">The run.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="step">The step.</param>
    /// <param name="slice">The slice.</param>
    /// <param name="first">The first of the sums that follow, in the slice.</param>
    /// <param name="words">64-bit words of the payload.</param>
    public static FrameHeader BlockSums(
        RunHash run, long generation, long step, int slice, int first, int words) => new()
        {
            Type = FrameType.BlockSums,
            Run = run,
            Generation = generation,
            Step = step,
            Piece = slice,
            Offset = first,
            PayloadBytes = checked(words * sizeof(double)),
        };

    /// <summary>The header of a request for <paramref name="pieces"/> pieces of a version.
    /// </summary>
    public static FrameHeader RequestPieces(
        RunHash run, long generation, long version, int pieces) => new()
        {
            Type = FrameType.RequestPieces,
            Run = run,
            Generation = generation,
            Step = version,
            PayloadBytes = checked(pieces * sizeof(int)),
        };

    /// <summary>The header of a block of a copy.</summary>
    /// <param name="run">The run.</param>
    /// <param name="version">The copy's version.</param>
    /// <param name="section">Weights, an optimizer state, or the best weights.</param>
    /// <param name="offset">The block's first element in the flat vector.</param>
    /// <param name="length">Its elements and the digest.</param>
    public static FrameHeader Copy(
        RunHash run, long version, int section, int offset, int length) => new()
        {
            Type = FrameType.Copy,
            Run = run,
            Step = version,
            Piece = section,
            Offset = offset,
            PayloadBytes = checked(length * sizeof(float)),
        };

    /// <summary>The header of an offer of the copy of blocks [<paramref name="firstBlock"/>,
    /// <paramref name="endBlock"/>).</summary>
    public static FrameHeader CopyOffer(
        RunHash run, long generation, long version, int firstBlock, int endBlock) => new()
        {
            Type = FrameType.CopyOffer,
            Run = run,
            Generation = generation,
            Step = version,
            Piece = firstBlock,
            Offset = endBlock,
            PayloadBytes = OfferBytes,
        };

    /// <summary>The header of a request for <paramref name="blocks"/> blocks of copies of a
    /// version.</summary>
    public static FrameHeader CopyRequest(RunHash run, long version, int blocks) => new()
    {
        Type = FrameType.CopyRequest,
        Run = run,
        Step = version,
        PayloadBytes = checked(blocks * sizeof(int)),
    };

    /// <summary>What is wrong with this header whatever the run, or null.</summary>
    public string? Mistake() => EncodingMistake() ?? LengthMistake() ?? PlaceMistake();

    /// <summary>Writes the header.</summary>
    /// <param name="payloadCrc">CRC-32C of the payload; that of nothing is 0.</param>
    /// <param name="destination">At least <see cref="Bytes"/> bytes.</param>
    internal void Write(uint payloadCrc, Span<byte> destination)
    {
        Span<byte> bytes = destination[..Bytes];
        bytes[0] = (byte)Type;
        bytes[1] = (byte)Encoding;
        bytes[2] = 0;
        bytes[3] = (byte)Node.Level;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], Node.Index);
        BinaryPrimitives.WriteUInt128LittleEndian(bytes[8..], Run.Value);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], Generation);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], Step);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[40..], Piece);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[44..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], PayloadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[PayloadCrcAt..], payloadCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(
            bytes[HeaderCrcAt..], Crc32C.Of(bytes[..HeaderCrcAt]));
    }

    /// <summary>Reads a header and checks all that can be checked without knowing the run.
    /// </summary>
    /// <param name="source"><see cref="Bytes"/> bytes.</param>
    /// <param name="header">Valid only where the result is null.</param>
    /// <param name="payloadCrc">What the payload's CRC-32C must be.</param>
    /// <returns>Why the frame is refused, or null.</returns>
    internal static string? Read(
        ReadOnlySpan<byte> source, out FrameHeader header, out uint payloadCrc)
    {
        header = default;
        payloadCrc = BinaryPrimitives.ReadUInt32LittleEndian(source[PayloadCrcAt..]);
        uint headerCrc = BinaryPrimitives.ReadUInt32LittleEndian(source[HeaderCrcAt..]);
        if (headerCrc != Crc32C.Of(source[..HeaderCrcAt]))
        {
            return "the frame's header does not match its checksum";
        }

        if (source[2] != 0)
        {
            return "the frame's reserved byte is not zero";
        }

        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(source[48..]);
        if (length > MaxPieceBytes)
        {
            return $"a frame of {length} bytes; the longest has {MaxPieceBytes}";
        }

        header = new FrameHeader
        {
            Type = (FrameType)source[0],
            Encoding = (ElementEncoding)source[1],
            Node = new TreeNode(source[3], BinaryPrimitives.ReadInt32LittleEndian(source[4..])),
            Run = new RunHash(BinaryPrimitives.ReadUInt128LittleEndian(source[8..])),
            Generation = BinaryPrimitives.ReadInt64LittleEndian(source[24..]),
            Step = BinaryPrimitives.ReadInt64LittleEndian(source[32..]),
            Piece = BinaryPrimitives.ReadInt32LittleEndian(source[40..]),
            Offset = BinaryPrimitives.ReadInt32LittleEndian(source[44..]),
            PayloadBytes = (int)length,
        };
        return header.Mistake();
    }

    private string? EncodingMistake() =>
        Encoding == ElementEncoding.Fp32
        || (Encoding == ElementEncoding.Bf16 && Type == FrameType.Push)
            ? null
            : $"a {Type} frame whose elements are encoded as {Encoding}";

    private string? LengthMistake()
    {
        (int least, int most, int unit) = Type switch
        {
            FrameType.Push or FrameType.Broadcast =>
                (ElementBytes, MaxPieceBytes / sizeof(float) * ElementBytes, ElementBytes),
            FrameType.Loss => (sizeof(double), sizeof(double), sizeof(double)),
            FrameType.BlockSums => (sizeof(double), MaxSmallBytes, sizeof(double)),
            FrameType.RequestPieces or FrameType.CopyRequest =>
                (sizeof(int), MaxSmallBytes, sizeof(int)),
            FrameType.Copy => (2 * sizeof(float), MaxPieceBytes, sizeof(float)),
            FrameType.CopyOffer => (OfferBytes, OfferBytes, OfferBytes),
            FrameType.Credit or FrameType.Heartbeat => (0, 0, 1),
            FrameType.Close => (1, MaxReasonBytes, 1),
            _ => (0, -1, 1),
        };
        return most < 0
            ? $"{(byte)Type} is no type of frame"
            : PayloadBytes < least || PayloadBytes > most || PayloadBytes % unit != 0
                ? $"a {Type} frame of {PayloadBytes} bytes; {least} to {most} in units of {unit}"
                    + " would be right"
                : null;
    }

    private string? PlaceMistake()
    {
        bool hasNode = Type is FrameType.Push or FrameType.Loss;
        if (!hasNode && Node != default)
        {
            return $"a {Type} frame with a tree node";
        }

        if (Node.Level is < 0 or > MaxLevel
            || (uint)Node.Index >= GradientTree.MaxMicroBatches >> Node.Level)
        {
            return $"there is no tree node {Node.Index} of level {Node.Level}";
        }

        if (Generation < 0 || Step < 0 || Piece < 0 || Offset < 0)
        {
            return $"a {Type} frame with a negative number: generation {Generation}, step {Step},"
                + $" piece {Piece}, offset {Offset}";
        }

        bool hasPlace = Lane == FrameLane.Bulk
            || Type is FrameType.BlockSums or FrameType.CopyOffer or FrameType.Credit;
        return (!hasPlace && (Piece != 0 || Offset != 0))
            || (Lane == FrameLane.Control && (Run != default || Generation != 0 || Step != 0))
            ? $"a {Type} frame with a place or a run that it cannot have"
            : null;
    }
}
