using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Working;

/// <summary>Sends gradients to the servers, from where they lie: each layer's as soon as it is
/// final, on the thread that computes. What a link has no room for waits here, in order, and leaves
/// as the link sends.</summary>
internal sealed class GradientPusher(LinkHub links) : ILayerGradientListener
{
    private readonly Lock _gate = new();
    private readonly Queue<Waiting> _waiting = new();
    private int _waitingCount;
    private KeptGradients? _computed;

    /// <summary>Whether anything waits for room on a link.</summary>
    public bool HasWaiting => Volatile.Read(ref _waitingCount) > 0;

    /// <summary>The next layers that are heard of are of these gradients. On the thread that
    /// computes.</summary>
    public void Begin(KeptGradients gradients) => _computed = gradients;

    /// <inheritdoc/>
    public void OnLayerGradient(GradientSet gradients, int firstView, int endView)
    {
        KeptGradients computed = _computed!;
        ImmutableArray<ParameterView> views = computed.Target.Plan.Layout.Views;
        int layer = -1;
        for (int view = firstView; view < endView; view++)
        {
            if (views[view].LayerIndex != layer)
            {
                layer = views[view].LayerIndex;
                foreach (Piece piece in computed.Target.Plan.PiecesOfLayer(layer))
                {
                    computed.Finish(piece);
                    Push(computed, piece);
                }
            }
        }
    }

    /// <summary>Sends the losses of gradients that are computed.</summary>
    public void PushLosses(KeptGradients gradients)
    {
        PushTarget target = gradients.Target;
        Span<byte> payload = stackalloc byte[sizeof(double)];
        for (int node = 0; node < gradients.Set.Nodes.Count; node++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(payload, gradients.Set.LossSum(node));
            links.TrySend(
                target.Servers[0],
                FrameHeader.Loss(
                    target.Run, target.Generation.Value, gradients.Step,
                    gradients.Set.Nodes[node]),
                payload);
        }
    }

    /// <summary>Sends gradients again, to those servers that have been sent all there was.
    /// </summary>
    public void PushAgain(KeptGradients gradients)
    {
        SlicePlan plan = gradients.Target.Plan;
        for (int slice = plan.SliceCount - 1; slice >= 0; slice--)
        {
            if (gradients.IsUnderWayTo(slice))
            {
                continue;
            }

            for (int piece = plan.FirstPiece(slice + 1) - 1; piece >= plan.FirstPiece(slice);
                piece--)
            {
                Push(gradients, plan.Pieces[piece]);
            }
        }

        PushLosses(gradients);
    }

    /// <summary>Sends what waited for room, as far as there is some.</summary>
    public void Continue()
    {
        lock (_gate)
        {
            // A full link must not hold up the others: one turn for everything that waits.
            for (int left = _waiting.Count; left > 0; left--)
            {
                Waiting next = _waiting.Dequeue();
                if (Send(next.Gradients, next.Node, next.Piece) == SendResult.QueueFull)
                {
                    _waiting.Enqueue(next);
                }
                else
                {
                    next.Gradients.Release(next.Piece.Slice);
                }
            }

            _waitingCount = _waiting.Count;
        }
    }

    /// <summary>The step is over: what waits is of no use any more.</summary>
    public void LetGo()
    {
        lock (_gate)
        {
            while (_waiting.TryDequeue(out Waiting waiting))
            {
                waiting.Gradients.Release(waiting.Piece.Slice);
            }

            _waitingCount = 0;
        }
    }

    private void Push(KeptGradients gradients, in Piece piece)
    {
        for (int node = 0; node < gradients.Set.Nodes.Count; node++)
        {
            if (HasWaiting || Send(gradients, node, piece) == SendResult.QueueFull)
            {
                Wait(gradients, node, piece);
            }
        }
    }

    private void Wait(KeptGradients gradients, int node, in Piece piece)
    {
        lock (_gate)
        {
            gradients.Hold(piece.Slice);
            _waiting.Enqueue(new Waiting(gradients, node, piece));
            _waitingCount = _waiting.Count;
        }
    }

    // What a link that has ended does not take is pushed again when it is missed.
    private SendResult Send(KeptGradients gradients, int node, in Piece piece)
    {
        PushTarget target = gradients.Target;
        AlignedBuffer source = gradients.SourceOf(
            node, piece, out ElementEncoding encoding, out int start);
        var header = FrameHeader.Push(
            target.Run, target.Generation.Value, gradients.Step, gradients.Set.Nodes[node],
            piece.Index, piece.Offset, piece.Length, encoding);
        gradients.Hold(piece.Slice);
        SendResult result = links.TrySend(
            target.Servers[piece.Slice], header, source, start, gradients);
        if (result != SendResult.Queued)
        {
            gradients.Release(piece.Slice);
        }

        return result;
    }

    private readonly record struct Waiting(KeptGradients Gradients, int Node, Piece Piece);
}
