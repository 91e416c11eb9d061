using System.Collections.Immutable;
using Backprop.Engine.Optimizers;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>A run's part on a simulated parameter server: real numbers around the real
/// <see cref="SliceState"/>, as the actor of a slice is.</summary>
internal sealed class SimulatedServer : IDisposable
{
    private readonly SimulatedCluster _cluster;
    private readonly SimulatedNode _node;
    private SliceNumbers? _numbers;
    private PushDigests? _pushes;
    private SimulatedCoordinator? _coordinator;
    private SliceState? _restored;
    private bool _isDisposed;

    public SimulatedServer(SimulatedCluster cluster, SimulatedNode node)
    {
        _cluster = cluster;
        _node = node;
    }

    /// <summary>Null: no directive has come yet.</summary>
    public SliceState? State { get; private set; }

    /// <summary>The directive that holds, as it was received.</summary>
    public ServerDirective? Obeyed { get; private set; }

    /// <summary>Its numbers; null: there are none.</summary>
    public SliceNumbers? Numbers => _numbers;

    private PlantedBug Bug => _cluster.Bug;

    private VerificationRule Verification => _cluster.Soundness.Verification;

    /// <summary>Takes a directive.</summary>
    public void Receive(ServerDirective directive, SimulatedCoordinator from)
    {
        ServerDirective taken = Corrupted(directive);
        DirectiveAnswer answer = State?.Accept(taken, _node.Clock)
            ?? new DirectiveAnswer(DirectiveVerdict.Reopen, "");
        _cluster.Checks.DirectiveAnswered(
            _node, "server", directive.Stamp, directive.Generation, directive.Lease, answer);
        if (answer.Verdict is DirectiveVerdict.Accepted or DirectiveVerdict.Reopen)
        {
            _coordinator = from;
            Obeyed = directive;
        }

        if (answer.Verdict == DirectiveVerdict.Reopen)
        {
            LetGo();
            State = new SliceState(
                ServerPlan.Of(_cluster.Run, _cluster.Plan), _node.Id, taken, _node.Clock,
                _cluster.CopyOptions);
            _pushes = new PushDigests(
                State.Plan, State.Slice, _cluster.Dimensions.MicroBatches);
            _node.Copies.Begin(taken);
            State.CopiesChanged(_node.Copies.Whole);
        }
        else if (answer.Verdict == DirectiveVerdict.Accepted)
        {
            _node.Copies.Accept(taken);
            State!.CopiesChanged(_node.Copies.Whole);
        }

        Proceed();
    }

    /// <summary>Takes a piece of a gradient.</summary>
    /// <param name="header">What it is.</param>
    /// <param name="values">Its numbers.</param>
    /// <param name="from">Who has computed it.</param>
    /// <param name="isWrong">Whether its numbers are others than they should be.</param>
    public void Receive(GradientHeader header, float[] values, NodeId from, bool isWrong)
    {
        if (State is not { } state)
        {
            return;
        }

        if (Bug == PlantedBug.StaleGenerationAccepted)
        {
            header = header with { Generation = state.Directive.Generation };
        }

        ArrivalVerdict verdict = state.EnterGradient(header, values.Length);
        _cluster.Checks.Arrived(_node, header, verdict);
        if (verdict == ArrivalVerdict.Entered)
        {
            if (isWrong)
            {
                _cluster.Checks.WrongEntered(header.Generation, header.Step);
            }

            if (Verification.Includes(header.Step))
            {
                _pushes!.EnterPiece(from, header.Node, header.Piece, values);
            }

            Enter(state, header, values);
            Proceed();
        }
        else if (verdict == ArrivalVerdict.Duplicate && Bug == PlantedBug.DuplicateAdded)
        {
            _numbers!.AddDuplicate(
                header.Piece, header.Node, _cluster.Dimensions.MicroBatches, values);
        }
    }

    public void Receive(LossHeader header, NodeId from)
    {
        if (State is { } state)
        {
            ArrivalVerdict verdict = state.EnterLoss(header);
            _cluster.Checks.Arrived(_node, header, verdict);
            if (verdict == ArrivalVerdict.Entered && Verification.Includes(header.Step))
            {
                _pushes!.EnterLoss(from, header.Node, header.LossSum);
            }

            Proceed();
        }
    }

    public void Receive(SumsHeader header, PieceSums[] sums)
    {
        if (State is { } state)
        {
            ArrivalVerdict verdict = state.EnterSums(header, sums, out bool answer);
            _cluster.Checks.Arrived(_node, header, verdict);
            if (answer)
            {
                SendSums(state, header.Slice);
            }

            Proceed();
        }
    }

    public void Receive(PiecesRequest request, SimulatedNode from)
    {
        if (State is { } state && state.Judge(request) == ArrivalVerdict.Entered)
        {
            foreach (int piece in request.Pieces)
            {
                Broadcast(state, from.Id, piece);
            }
        }
    }

    /// <summary>Looks whether something is late.</summary>
    public void Look()
    {
        if (State is not { } state)
        {
            return;
        }

        if (state.Look(_node.Clock))
        {
            for (int slice = 0; slice < state.Plan.SliceCount; slice++)
            {
                if (state.LacksSumsOf(slice))
                {
                    SendSums(state, slice);
                }
            }
        }

        _node.Copies.Look();
        Proceed();
    }

    /// <summary>Another copy is kept here: the coordinator is to know.</summary>
    public void CopiesMoved() => Proceed();

    /// <summary>Something goes wrong at its work.</summary>
    public void Fail(string reason)
    {
        if (State is { Phase: SlicePhase.Open or SlicePhase.Opening } state)
        {
            _cluster.Statistics.FailedSlices++;
            LetGo();
            state.Failed($"{_node.Id}: {reason}");
            Proceed();
        }
    }

    public void Dispose()
    {
        _isDisposed = true;
        LetGo();
    }

    private ServerDirective Corrupted(ServerDirective directive)
    {
        if (Bug == PlantedBug.LeaseExceeded)
        {
            Lease lease = directive.Lease;
            long most = _cluster.Dimensions.EpochEnd(State?.Version ?? directive.Origin.Version);
            return directive with
            {
                Lease = lease with { EndVersion = Math.Min(most, lease.EndVersion + 1) },
            };
        }

        DirectiveStamp? held = State?.Directive.Stamp;
        return Bug == PlantedBug.LowerTermObeyed
            && directive.Stamp.Term.CompareTo(held?.Term ?? directive.Stamp.Term) < 0
            ? directive with
            {
                Stamp = held!.Value with { Sequence = held.Value.Sequence + 1 },
            }
            : directive;
    }

    private void Enter(SliceState state, in GradientHeader header, float[] values)
    {
        SliceNumbers numbers = _numbers!;
        foreach (int first in state.Superseded)
        {
            SimulationChecks.Require(
                numbers.LetGo(header.Piece, first), _node,
                $"node of micro-batch {first} of piece {header.Piece} is superseded, not held");
        }

        SimulationChecks.Require(
            numbers.Enter(header.Piece, header.Node, _cluster.Dimensions.MicroBatches, values),
            _node, $"{header.Node} of piece {header.Piece} is entered where one is held");
        while (state.TryFold(header.Piece, out Fold fold))
        {
            SimulationChecks.Require(
                numbers.Add(header.Piece, fold), _node,
                $"{fold} of piece {header.Piece} is of nodes that are not held");
        }
    }

    private void Proceed()
    {
        if (_isDisposed || State is not { } state)
        {
            return;
        }

        for (SliceWork work = state.TakeWork(); work != SliceWork.None; work = state.TakeWork())
        {
            _cluster.Trace?.Write(
                _cluster.Queue.Now, _node.Id.Value, $"{work} at version {state.Version}");
            Do(state, work);
        }

        if (state.TryTakeStatus(out ServerStatus? status))
        {
            _coordinator!.Tell(_node, status);
        }
    }

    private void Do(SliceState state, SliceWork work)
    {
        switch (work)
        {
            case SliceWork.Open:
                Open(state);
                break;
            case SliceWork.KeepBest:
                _numbers!.KeepBest(state.Version);
                state.BestKept();
                _cluster.Checks.BestKept(_node, state, _numbers);
                break;
            case SliceWork.CopyCheckpoint:
                Save(state);
                break;
            case SliceWork.CopyInMemory:
                CopyInMemory(state);
                break;
            case SliceWork.CheckWeights:
                state.WeightsChecked(AreFinite(_numbers!.Weights.Span));
                break;
            case SliceWork.Prepare:
                _cluster.Checks.Folded(_node, state, _numbers!);
                _numbers!.Prepare();
                state.Prepared(_numbers.Sums);
                SendSumsToAll(state);
                break;
            case SliceWork.Apply:
                // Links may still have the buffer that the next version is written to.
                _cluster.Checks.Applying(_node, state);
                Later(state, _cluster.Timing.Apply(), () => Apply(state));
                break;
            case SliceWork.GoBack:
                _numbers!.GoBack();
                state.WentBack();
                break;
            case SliceWork.Close:
                LetGo();
                state.Closed();
                break;
            default:
                throw new InvalidOperationException($"unknown work {work}");
        }
    }

    private static bool AreFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                return false;
            }
        }

        return true;
    }

    // What takes time is of no use once the slice is another, or has failed.
    private void Later(SliceState state, TimeSpan delay, Action act) =>
        _cluster.Queue.After(delay, _node.Life, () =>
        {
            if (!_isDisposed && State == state
                && state.Phase is SlicePhase.Open or SlicePhase.Opening)
            {
                act();
                Proceed();
            }
        });

    private void Apply(SliceState state)
    {
        ReportPushes(state);
        _numbers!.Apply(state.Update);
        state.Applied(_node.Clock);
        _cluster.Checks.VersionMade(_node, state, _numbers);
        BroadcastAll(state);
        if (state is { Slice: 0, LastStep: { } step } && _cluster.TellsProgress)
        {
            _coordinator!.Tell(_node, new CoordinatorInput.Progressed(
                state.Directive.Generation, state.Version, step.Time));
        }
    }

    private void ReportPushes(SliceState state)
    {
        if (Verification.Includes(state.Version))
        {
            _coordinator!.Tell(_node, new PushReport(
                _cluster.Run, state.Directive.Generation, _node.Id, state.Slice, state.Version,
                _pushes!.Take()));
        }
    }

    private void Open(SliceState state)
    {
        _numbers = new SliceNumbers(
            state.Plan, state.Slice, ServerPlan.Of(_cluster.Run, _cluster.Plan).Rules,
            _cluster.Pool, Bug == PlantedBug.FoldInArrivalOrder);
        if (state.Directive.Origin is SliceOrigin.Checkpoint)
        {
            AskForManifest(state, 1);
            return;
        }

        if (state.Directive.Origin is SliceOrigin.Memory origin)
        {
            _node.Copies.Fetch(
                origin, state.Plan, state.Slice,
                (part, content) => _numbers!.TakeBlocks(
                    part, content, withState: Bug != PlantedBug.OptimizerStateNotRestored),
                () =>
                {
                    Opened(state);
                    Proceed();
                },
                Fail,
                () => !_isDisposed && State == state && state.Phase is SlicePhase.Opening);
            return;
        }

        Later(state, _cluster.Timing.Open(), () =>
        {
            _numbers!.TakeFirstWeights(_cluster.Plan.Network, _cluster.Plan.Seed);
            Opened(state);
        });
    }

    private void Opened(SliceState state)
    {
        state.Opened(_node.Clock);
        _cluster.Checks.VersionMade(_node, state, _numbers!);
        BroadcastAll(state);
    }

    private void AskForManifest(SliceState state, int attempt)
    {
        const int MostAttempts = 120;
        if (attempt > MostAttempts)
        {
            Fail("nobody said what the checkpoint is made of");
            return;
        }

        long version = state.Directive.Origin.Version;
        _coordinator!.Ask(_node, version, parts =>
        {
            if (!_isDisposed && State == state && _restored != state
                && state.Phase is SlicePhase.Opening)
            {
                _restored = state;
                Restore(state, version, parts);
            }
        });
        Later(state, TimeSpan.FromSeconds(1), () =>
        {
            if (_restored != state)
            {
                AskForManifest(state, attempt + 1);
            }
        });
    }

    private void Restore(SliceState state, long version, ImmutableArray<CheckpointPart> parts)
    {
        if (parts.IsDefaultOrEmpty)
        {
            Fail($"checkpoint {version} is gone");
            return;
        }

        Later(state, _cluster.Timing.Read(parts.Length), () =>
        {
            if (_cluster.ReadFails())
            {
                Fail($"checkpoint {version} cannot be read");
                return;
            }

            foreach (CheckpointPart part in parts)
            {
                if (_cluster.Storage.Read(version, part) is not { } content)
                {
                    Fail($"{part} of checkpoint {version} is gone");
                    return;
                }

                _numbers!.TakeBlocks(
                    part, content, withState: Bug != PlantedBug.OptimizerStateNotRestored);
            }

            Opened(state);
        });
    }

    private void CopyInMemory(SliceState state)
    {
        if (!AreFinite(_numbers!.Weights.Span))
        {
            state.CopiesOff("the weights are not finite");
            return;
        }

        SliceCopy copy = state.CopyOfNow;
        _node.Copies.TakeOwn(copy, _numbers.CopyBlocks(copy.FirstBlock, copy.EndBlock));
        state.CopyTaken(TimeSpan.Zero, _node.Clock);
        state.CopiesChanged(_node.Copies.Whole);
    }

    private void Save(SliceState state)
    {
        SlicePlan plan = state.Plan;
        long version = state.Version;
        var parts = ImmutableArray.CreateBuilder<(CheckpointPart Part, float[] Content)>();
        int end = plan.FirstBlock(state.Slice + 1);
        for (int block = plan.FirstBlock(state.Slice); block < end;)
        {
            int next = Math.Min(end, block + _cluster.Timing.BlocksOfPart());
            float[] content = _numbers!.CopyBlocks(block, next);
            parts.Add((SimulatedStorage.Name(block, next, content), content));
            block = next;
        }

        state.CheckpointCopied();
        Write(state, version, parts.ToImmutable(), 0);
    }

    private void Write(
        SliceState state, long version,
        ImmutableArray<(CheckpointPart Part, float[] Content)> parts, int index)
    {
        bool isSaid = Bug == PlantedBug.CommitBeforeLastPart && index == parts.Length - 1;
        if (index == parts.Length || isSaid)
        {
            state.CheckpointSaved([.. parts.Select(one => one.Part)]);
        }

        if (index < parts.Length)
        {
            Later(state, _cluster.Timing.WritePart(), () =>
            {
                if (!isSaid && _cluster.WriteFails())
                {
                    _cluster.Statistics.LostCheckpoints++;
                    state.CheckpointLost("the database does not answer");
                    return;
                }

                _cluster.Storage.Write(version, parts[index].Part, parts[index].Content);
                if (!isSaid)
                {
                    Write(state, version, parts, index + 1);
                }
            });
        }
    }

    private void BroadcastAll(SliceState state)
    {
        (int first, int end) = _numbers!.Pieces;
        for (int piece = first; piece < end; piece++)
        {
            foreach (NodeId worker in state.Directive.Workers)
            {
                Broadcast(state, worker, piece);
            }
        }
    }

    private void Broadcast(SliceState state, NodeId worker, int piece)
    {
        var header = new WeightsHeader(
            _cluster.Run, state.Directive.Generation, state.Version, piece);
        float[] values = _numbers!.Piece(piece, state.Version);
        _cluster.Send(_node, worker, to => to.Worker?.Receive(header, values));
    }

    private void SendSumsToAll(SliceState state)
    {
        for (int slice = 0; slice < state.Plan.SliceCount; slice++)
        {
            if (slice != state.Slice)
            {
                SendSums(state, slice);
            }
        }
    }

    private void SendSums(SliceState state, int slice)
    {
        SumsHeader header = state.HeaderOfSums(slice);
        PieceSums[] sums = state.Sums.ToArray();
        _cluster.Send(
            _node, state.Directive.Servers[slice], to => to.Server?.Receive(header, sums));
    }

    private void LetGo()
    {
        _numbers?.Dispose();
        _numbers = null;
    }
}
