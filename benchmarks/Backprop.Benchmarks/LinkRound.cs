using System.Numerics;
using System.Runtime.InteropServices;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Engine;

namespace Backprop.Benchmarks;

/// <summary>What becomes of a piece at the other end.</summary>
internal enum LinkPattern
{
    /// <summary>It is checked and let go of, as iperf3 lets go of what it receives.</summary>
    Push,

    /// <summary>It is folded into a sum, and the sum is returned.</summary>
    PushAndReturn,
}

/// <summary>Two nodes joined by a few links: one pushes a gradient in pieces; the other lets go of
/// each, or folds it into its sum and returns the sum as soon as it has it.</summary>
internal sealed class LinkRound : IDisposable
{
    private static readonly RunHash Hash = RunHash.Of("benchmark");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TcpTransport _worker;
    private readonly TcpTransport _server;
    private readonly ITensorLink[] _links;
    private readonly AlignedBuffer _gradient;
    private readonly AlignedBuffer _sum;
    private readonly WorkerEnd _workerEnd;
    private readonly int _pieceLength;

    public LinkRound(LinkPattern pattern, LinkSockets sockets, int streams, int bytes)
    {
        _worker = sockets.TransportOf("worker");
        _server = sockets.TransportOf("server");
        int length = bytes / sizeof(float);
        _gradient = new AlignedBuffer(length);
        _sum = new AlignedBuffer(length);
        _pieceLength = Math.Min(FrameHeader.MaxPieceBytes / sizeof(float), length / streams);
        _workerEnd = new WorkerEnd(length / _pieceLength);
        ITensorListener listener = _server.Listen(
            new LinkAddress("127.0.0.1", 0), new ServerEnd(pattern, _sum, _workerEnd));
        _links = new ITensorLink[streams];
        for (int i = 0; i < streams; i++)
        {
            _links[i] = _worker.Dial(listener.Address, "server", _workerEnd, _workerEnd);
        }
    }

    /// <summary>Pushes everything and waits until everything is there, or back.</summary>
    public void Run()
    {
        int pieces = _gradient.Length / _pieceLength;
        for (int piece = 0; piece < pieces; piece++)
        {
            int offset = piece * _pieceLength;
            FrameHeader header = FrameHeader.Push(
                Hash, 1, 0, default, piece, offset, _pieceLength);
            SendResult result = _links[piece % _links.Length].TrySend(
                header, _gradient, offset, _workerEnd);
            if (result != SendResult.Queued)
            {
                throw new InvalidOperationException($"piece {piece}: {result}");
            }
        }

        _workerEnd.Wait();
    }

    public void Dispose()
    {
        _worker.Dispose();
        _server.Dispose();
        _gradient.Dispose();
        _sum.Dispose();
        _workerEnd.Dispose();
    }

    private sealed class ServerEnd(LinkPattern pattern, AlignedBuffer sum, WorkerEnd worker)
        : ILinkAcceptor, ILinkOwner, IFrameGuard, ISendCompletion
    {
        public LinkAdmission Admit(LinkIdentity peer) => LinkAdmission.To(this, this);

        public void OnRefused(string remote, string reason) => Console.Error.WriteLine(reason);

        public FrameVerdict Check(in FrameHeader header) => FrameVerdict.Accept;

        public void OnOpened(ITensorLink link)
        {
        }

        public void OnArrival(ITensorLink link, Arrival arrival)
        {
            FrameHeader header = arrival.Header;
            if (pattern == LinkPattern.Push)
            {
                arrival.Dispose();
                worker.CountPiece();
                return;
            }

            Fold(arrival.Elements, sum.Span.Slice(header.Offset, header.ElementCount));
            arrival.Dispose();
            SendResult result = link.TrySend(
                header with { Type = FrameType.Broadcast }, sum, header.Offset, this);
            if (result != SendResult.Queued)
            {
                throw new InvalidOperationException($"piece {header.Piece}: {result}");
            }
        }

        public void OnEnded(ITensorLink link, LinkEnd end)
        {
        }

        public void OnReleased(in FrameHeader header, bool sent)
        {
        }

        private static void Fold(ReadOnlySpan<float> piece, Span<float> sum)
        {
            ReadOnlySpan<Vector<float>> from = MemoryMarshal.Cast<float, Vector<float>>(piece);
            Span<Vector<float>> to = MemoryMarshal.Cast<float, Vector<float>>(sum);
            for (int i = 0; i < to.Length; i++)
            {
                to[i] += from[i];
            }
        }
    }

    private sealed class WorkerEnd(int pieces)
        : ILinkOwner, IFrameGuard, ISendCompletion, IDisposable
    {
        private readonly SemaphoreSlim _whole = new(0);
        private int _arrived;

        public void Wait()
        {
            if (!_whole.Wait(Patience))
            {
                throw new TimeoutException("a round did not end");
            }
        }

        public FrameVerdict Check(in FrameHeader header) => FrameVerdict.Accept;

        public void OnOpened(ITensorLink link)
        {
        }

        public void OnArrival(ITensorLink link, Arrival arrival)
        {
            arrival.Dispose();
            CountPiece();
        }

        public void CountPiece()
        {
            if (Interlocked.Increment(ref _arrived) % pieces == 0)
            {
                _whole.Release();
            }
        }

        public void OnEnded(ITensorLink link, LinkEnd end)
        {
        }

        public void OnReleased(in FrameHeader header, bool sent)
        {
        }

        public void Dispose() => _whole.Dispose();
    }
}
