using Backprop.Engine;

namespace Backprop.Distributed.Links;

/// <summary>What a sender is held to: the same that its peer will check.</summary>
internal static class SendChecks
{
    /// <summary>Checks a piece.</summary>
    /// <exception cref="ArgumentException">It is none, or not in the buffer.</exception>
    public static void Piece(in FrameHeader header, AlignedBuffer buffer, int start)
    {
        Header(header, FrameLane.Bulk);
        if (start < 0
            || header.PayloadBytes > (buffer.Length - (long)start) * sizeof(float))
        {
            throw new ArgumentException(
                $"{header.PayloadBytes} bytes from float {start} on of a buffer of"
                + $" {buffer.Length} floats",
                nameof(start));
        }
    }

    /// <summary>Checks a small frame.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static void Small(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        Header(header, FrameLane.Small);
        if (payload.Length != header.PayloadBytes)
        {
            throw new ArgumentException(
                $"a payload of {payload.Length} bytes under a header for {header.PayloadBytes}",
                nameof(payload));
        }
    }

    private static void Header(in FrameHeader header, FrameLane lane)
    {
        string? mistake = header.Lane == lane
            ? header.Mistake()
            : $"a {header.Type} frame is not of the {lane} lane";
        if (mistake is not null)
        {
            throw new ArgumentException(mistake, nameof(header));
        }
    }
}
