using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A parameter server with real numbers around its <see cref="SliceState"/>.</summary>
internal sealed class InMemoryServer(
    InMemoryCluster cluster, NodeId self, ServerDirective directive) : IDisposable
{
    private readonly Dictionary<(int Piece, int First), float[]> _nodes = [];
    private readonly TrainingPlan _plan = cluster.Plan;
    private ParameterUpdate _update = null!;
    private AlignedBuffer _weights = new(0), _next = new(0), _best = new(0);
    private AlignedBuffer _state = new(0), _gradient = new(0);
    private PieceSums[] _sums = [];

    public SliceState State { get; } =
        new(ServerPlan.Of(cluster.Run, cluster.Plan), self, directive, cluster.Network.Now);

    public AlignedBuffer Weights => _weights;

    public AlignedBuffer OptimizerState => _state;

    public AlignedBuffer Best => _best;

    public int Offset => _update.Offset;

    public DirectiveVerdict Receive(ServerDirective next)
    {
        DirectiveAnswer answer = State.Accept(next, cluster.Network.Now);
        Assert.False(answer.Verdict == DirectiveVerdict.Invalid, answer.Reason);
        return answer.Verdict;
    }

    public ArrivalVerdict Receive(GradientHeader header, float[] values)
    {
        ArrivalVerdict verdict = State.EnterGradient(header, values.Length);
        if (verdict == ArrivalVerdict.Entered)
        {
            foreach (int first in State.Superseded)
            {
                Assert.True(_nodes.Remove((header.Piece, first)));
            }

            _nodes.Add((header.Piece, header.Node.FirstMicroBatch), [.. values]);
            while (State.TryFold(header.Piece, out Fold fold))
            {
                Add(header.Piece, fold);
            }

            Proceed();
        }

        return verdict;
    }

    public void Receive(LossHeader header)
    {
        State.EnterLoss(header);
        Proceed();
    }

    public void Receive(SumsHeader header, PieceSums[] sums)
    {
        State.EnterSums(header, sums, out bool answer);
        if (answer)
        {
            SendSums(header.Slice);
        }

        Proceed();
    }

    public void Receive(PiecesRequest request, NodeId from)
    {
        if (State.Judge(request) == ArrivalVerdict.Entered)
        {
            foreach (int piece in request.Pieces)
            {
                Broadcast(from, State.Plan.Pieces[piece]);
            }
        }
    }

    public void Look()
    {
        if (State.Look(cluster.Network.Now))
        {
            for (int slice = 0; slice < State.Plan.SliceCount; slice++)
            {
                if (State.LacksSumsOf(slice))
                {
                    SendSums(slice);
                }
            }
        }

        Proceed();
    }

    public void Proceed()
    {
        for (SliceWork work = State.TakeWork(); work != SliceWork.None; work = State.TakeWork())
        {
            Do(work);
        }

        if (State.TryTakeStatus(out ServerStatus? status))
        {
            cluster.Tell(status);
        }
    }

    public void Dispose()
    {
        foreach (AlignedBuffer buffer in new[] { _weights, _next, _best, _state, _gradient })
        {
            buffer.Dispose();
        }
    }

    private void Do(SliceWork work)
    {
        switch (work)
        {
            case SliceWork.Open:
                Open();
                State.Opened(cluster.Network.Now);
                BroadcastAll();
                break;
            case SliceWork.KeepBest:
                _weights.Span.CopyTo(_best.Span);
                State.BestKept();
                break;
            case SliceWork.CopyCheckpoint:
                State.CheckpointCopied();
                State.CheckpointSaved(cluster.Checkpoints.Save(this));
                break;
            case SliceWork.CheckWeights:
                State.WeightsChecked(_weights.Span.ToArray().All(float.IsFinite));
                break;
            case SliceWork.Prepare:
                GatherGradient();
                _update.Prepare(_weights, measureWeights: true, _gradient, _sums);
                State.Prepared(_sums);
                SendSumsToAll();
                break;
            case SliceWork.Apply:
                _update.Apply(State.Update, _gradient, _weights, _state, _next);
                (_weights, _next) = (_next, _weights);
                _nodes.Clear();
                State.Applied(cluster.Network.Now);
                BroadcastAll();
                break;
            case SliceWork.Close:
                State.Closed();
                break;
            default:
                throw new InvalidOperationException($"unknown work {work}");
        }
    }

    private void Open()
    {
        SlicePlan plan = State.Plan;
        ParameterLayout layout = plan.Layout;
        _update = new ParameterUpdate(
            layout, plan.FirstBlock(State.Slice), plan.FirstBlock(State.Slice + 1),
            new UpdateRules(_plan.Optimizer, _plan.Penalty, _plan.Clipping), cluster.Pool);
        _weights = new AlignedBuffer(_update.Length);
        _next = new AlignedBuffer(_update.Length);
        _best = new AlignedBuffer(_update.Length);
        _state = new AlignedBuffer(_update.StateLength);
        _gradient = new AlignedBuffer(_update.Length);
        _sums = new PieceSums[_update.PieceCount];
        if (State.Directive.Origin is SliceOrigin.Checkpoint origin)
        {
            cluster.Checkpoints.Load(origin.Saved, this);
            return;
        }

        using var all = new AlignedBuffer(layout.Length);
        _plan.Network.InitializeWeights(_plan.Seed, all);
        all.Span.Slice(_update.Offset, _update.Length).CopyTo(_weights.Span);
    }

    private void Add(int piece, Fold fold)
    {
        float[] kept = _nodes[(piece, fold.Kept)];
        Assert.True(_nodes.Remove((piece, fold.Released), out float[]? released));
        for (int i = 0; i < kept.Length; i++)
        {
            kept[i] += released[i];
        }
    }

    private void GatherGradient()
    {
        for (int index = State.Plan.FirstPiece(State.Slice);
            index < State.Plan.FirstPiece(State.Slice + 1); index++)
        {
            Piece piece = State.Plan.Pieces[index];
            _nodes[(index, 0)].CopyTo(
                _gradient.Span.Slice(piece.Offset - Offset, piece.Length));
        }
    }

    private void BroadcastAll()
    {
        for (int piece = State.Plan.FirstPiece(State.Slice);
            piece < State.Plan.FirstPiece(State.Slice + 1); piece++)
        {
            foreach (NodeId worker in State.Directive.Workers)
            {
                Broadcast(worker, State.Plan.Pieces[piece]);
            }
        }
    }

    private void Broadcast(NodeId worker, Piece piece)
    {
        var header = new WeightsHeader(
            cluster.Run, State.Directive.Generation, State.Version, piece.Index);
        float[] values =
            _weights.Span.Slice(piece.Offset - Offset, piece.Length).ToArray();
        cluster.Send(worker, (InMemoryWorker to) => to.Receive(header, values));
    }

    private void SendSumsToAll()
    {
        for (int slice = 0; slice < State.Plan.SliceCount; slice++)
        {
            if (slice != State.Slice)
            {
                SendSums(slice);
            }
        }
    }

    private void SendSums(int slice)
    {
        SumsHeader header = State.HeaderOfSums(slice);
        PieceSums[] sums = State.Sums.ToArray();
        cluster.Send(
            State.Directive.Servers[slice], (InMemoryServer to) => to.Receive(header, sums));
    }
}
