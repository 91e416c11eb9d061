using Backprop.Distributed.Links;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Links;

/// <summary>Two nodes and a link between them: "a" dials "b".</summary>
internal sealed class LinkPair : IDisposable
{
    public static readonly RunHash Run = RunHash.Of("digits-1");

    private readonly List<AlignedBuffer> _buffers = [];

    private LinkPair(ITensorTransport dialler, ITensorTransport listener)
    {
        Dialler = dialler;
        Listener = listener;
        Acceptor = new RecordingAcceptor(ListenerOwner);
        Listening = listener.Listen(new LinkAddress("127.0.0.1", 0), Acceptor);
    }

    public ITensorTransport Dialler { get; }

    public ITensorTransport Listener { get; }

    public RecordingOwner DiallerOwner { get; } = new();

    public RecordingOwner ListenerOwner { get; } = new();

    public RecordingAcceptor Acceptor { get; }

    public ITensorListener Listening { get; }

    /// <summary>The end that dialled.</summary>
    public ITensorLink Dialled { get; private set; } = null!;

    /// <summary>The end that was accepted.</summary>
    public ITensorLink Accepted { get; private set; } = null!;

    public static LinkIdentity Identity(string node) => new("test", node, "1.2.3");

    /// <summary>Two nodes that are not joined yet.</summary>
    public static LinkPair Apart(ITensorTransport dialler, ITensorTransport listener) =>
        new(dialler, listener);

    /// <summary>Two nodes joined by a link.</summary>
    public static LinkPair Joined(ITensorTransport dialler, ITensorTransport listener)
    {
        var pair = new LinkPair(dialler, listener);
        pair.Dial();
        pair.Dialled = pair.DiallerOwner.WaitOpened();
        pair.Accepted = pair.ListenerOwner.WaitOpened();
        return pair;
    }

    public static FrameHeader PushOf(int length, long step = 0, int piece = 0) =>
        FrameHeader.Push(Run, 1, step, new TreeNode(0, 3), piece, 0, length);

    public static FrameHeader RoundedPushOf(int length) => FrameHeader.Push(
        Run, 1, 0, new TreeNode(0, 3), 0, 0, length, ElementEncoding.Bf16);

    public void Dial() =>
        Dialled = Dialler.Dial(Listening.Address, "b", DiallerOwner, DiallerOwner);

    /// <summary>A buffer of values that name their place.</summary>
    public AlignedBuffer Numbers(int length)
    {
        var buffer = new AlignedBuffer(length);
        for (int i = 0; i < length; i++)
        {
            buffer.Span[i] = i + 0.5f;
        }

        _buffers.Add(buffer);
        return buffer;
    }

    public SendResult Send(ITensorLink link, in FrameHeader header, AlignedBuffer buffer) =>
        link.TrySend(header, buffer, 0, DiallerOwner);

    public void Dispose()
    {
        Dialler.Dispose();
        Listener.Dispose();
        foreach (AlignedBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }
    }
}
