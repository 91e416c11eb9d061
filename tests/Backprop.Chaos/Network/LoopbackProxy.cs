using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Backprop.Chaos.Network;

/// <summary>
/// Stands before one port of one node, at an address of its own that the node gives others as its
/// own. Who dials is told by the first bytes: both kinds of connections begin with the dialler's
/// address.
/// </summary>
internal sealed class LoopbackProxy : IDisposable
{
    private const int ChunkBytes = 1 << 16;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_slow = TimeSpan.FromMilliseconds(40);

    private readonly int _node;
    private readonly IPEndPoint _outside;
    private readonly IPEndPoint _inside;
    private readonly LinkRules _rules;
    private readonly CancellationTokenSource _ending = new();
    private Socket? _listener;

    /// <summary>Before <paramref name="inside"/> of a node.</summary>
    public LoopbackProxy(int node, IPEndPoint outside, IPEndPoint inside, LinkRules rules)
    {
        _node = node;
        _outside = outside;
        _inside = inside;
        _rules = rules;
    }

    /// <summary>The address that a node with this number gives as its own.</summary>
    public static IPAddress AddressOf(int node) => new([127, 0, 1, (byte)(10 + node)]);

    /// <summary>Takes connections: its node's process is there.</summary>
    public void Open()
    {
        if (_listener is null)
        {
            _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _listener.Bind(_outside);
            _listener.Listen();
            _ = AcceptAsync(_listener);
        }
    }

    /// <summary>Refuses connections: its node's process has ended.</summary>
    public void Close()
    {
        _listener?.Dispose();
        _listener = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _ending.Cancel();
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                _ = CarryAsync(await listener.AcceptAsync(_ending.Token));
            }
        }
        catch (Exception end) when (IsEnd(end))
        {
            // It is closed.
        }
    }

    private async Task CarryAsync(Socket dialler)
    {
        using Socket outer = dialler;
        using var inner = new Socket(
            AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        try
        {
            outer.NoDelay = true;
            inner.NoDelay = true;
            await inner.ConnectAsync(_inside, ending.Token);
            var first = new byte[ChunkBytes];
            int count = await outer.ReceiveAsync(first, ending.Token);
            if (count == 0 || Dialler(first.AsSpan(0, count)) is not { } from)
            {
                return;
            }

            Task there = PumpAsync(outer, inner, from, _node, first.AsMemory(0, count), ending);
            Task back = PumpAsync(inner, outer, _node, from, ReadOnlyMemory<byte>.Empty, ending);
            Task cut = WatchForCutAsync(from, ending);
            await Task.WhenAny(there, back, cut);
            await ending.CancelAsync();
            await Task.WhenAll(there, back, cut);
        }
        catch (Exception end) when (IsEnd(end))
        {
            // One side is gone, and now the other hears of it.
        }
    }

    private async Task PumpAsync(
        Socket source, Socket target, int from, int to, ReadOnlyMemory<byte> first,
        CancellationTokenSource ending)
    {
        try
        {
            if (_rules.Delay > TimeSpan.Zero)
            {
                await DelayLine.CarryAsync(source, target, _rules.Delay, first, ending.Token);
                return;
            }

            var buffer = new byte[ChunkBytes];
            ReadOnlyMemory<byte> chunk = first;
            while (true)
            {
                while (_rules[from, to] == LinkRule.Black)
                {
                    await Task.Delay(s_look, ending.Token);
                }

                if (_rules[from, to] == LinkRule.Slow)
                {
                    await Task.Delay(s_slow, ending.Token);
                }

                while (chunk.Length > 0)
                {
                    chunk = chunk[await target.SendAsync(chunk, ending.Token)..];
                }

                int count = await source.ReceiveAsync(buffer, ending.Token);
                if (count == 0)
                {
                    return;
                }

                chunk = buffer.AsMemory(0, count);
            }
        }
        catch (Exception end) when (IsEnd(end))
        {
            // The connection ends for both.
        }
    }

    private async Task WatchForCutAsync(int from, CancellationTokenSource ending)
    {
        try
        {
            while (_rules[from, _node] != LinkRule.Cut)
            {
                await Task.Delay(s_look, ending.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It has ended otherwise.
        }
    }

    private static int? Dialler(ReadOnlySpan<byte> first)
    {
        ReadOnlySpan<byte> prefix = "127.0.1."u8;
        int at = first.IndexOf(prefix);
        if (at < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> rest = first[(at + prefix.Length)..];
        int digits = rest.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return int.TryParse(
            Encoding.ASCII.GetString(digits < 0 ? rest : rest[..digits]), out int last)
            ? last - 10
            : null;
    }

    private static bool IsEnd(Exception failure) =>
        failure is SocketException or ObjectDisposedException or OperationCanceledException;
}
