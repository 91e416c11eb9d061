using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Backprop.Chaos.Network;

/// <summary>Carries bytes from one socket to another, each a while after it has come and no slower
/// than it came: as a long cable does.</summary>
internal static class DelayLine
{
    private const int ChunkBytes = 1 << 16;

    // At most so many bytes are under way: more than a link of nodes has at a time.
    private const int MostChunks = 1024;

    /// <summary>Carries until the source ends.</summary>
    /// <param name="source">Where bytes come from.</param>
    /// <param name="target">Where they go.</param>
    /// <param name="delay">For how long each is under way.</param>
    /// <param name="first">Bytes that have come already.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task CarryAsync(
        Socket source, Socket target, TimeSpan delay, ReadOnlyMemory<byte> first,
        CancellationToken cancellation)
    {
        var underWay = Channel.CreateBounded<Chunk>(MostChunks);
        Task delivering = DeliverAsync(underWay.Reader, target, delay, cancellation);
        var bytes = first.ToArray();
        do
        {
            await underWay.Writer.WriteAsync(
                new Chunk(Stopwatch.GetTimestamp(), bytes), cancellation);
            var buffer = new byte[ChunkBytes];
            int count = await source.ReceiveAsync(buffer, cancellation);
            bytes = buffer[..count];
        }
        while (bytes.Length > 0);

        underWay.Writer.Complete();
        await delivering;
    }

    private static async Task DeliverAsync(
        ChannelReader<Chunk> underWay, Socket target, TimeSpan delay,
        CancellationToken cancellation)
    {
        await foreach (Chunk chunk in underWay.ReadAllAsync(cancellation))
        {
            TimeSpan rest = delay - Stopwatch.GetElapsedTime(chunk.Came);
            if (rest > TimeSpan.Zero)
            {
                await Task.Delay(rest, cancellation);
            }

            ReadOnlyMemory<byte> left = chunk.Bytes;
            while (left.Length > 0)
            {
                left = left[await target.SendAsync(left, cancellation)..];
            }
        }
    }

    private readonly record struct Chunk(long Came, byte[] Bytes);
}
