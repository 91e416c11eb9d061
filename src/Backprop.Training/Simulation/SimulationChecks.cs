using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Backprop.Engine;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>What must hold at every event of a simulation, whatever goes wrong.</summary>
internal sealed class SimulationChecks(SimulatedCluster cluster, Oracle oracle)
{
    // Of each generation the version of every slice; −1: it is not open.
    private readonly Dictionary<long, long[]> _versions = [];
    private readonly Dictionary<(NodeId, string), (DirectiveStamp Stamp, Generation Generation)>
        _obeyed = [];

    // Of each generation the first version of its course that is made of wrong bits, and what was
    // wrong in it: the generation and the step.
    private readonly Dictionary<long, HashSet<(long Generation, long Step)>> _wrong = [];
    private readonly HashSet<(long Generation, long Step)> _found = [];

    private CoordinatorState? _state;
    private long _newest = -1;
    private int _servers;

    private SimulationStatistics Statistics => cluster.Statistics;

    private bool IsNonFinite => oracle.Result.Stop.Kind == StopKind.NonFinite;

    /// <summary>The oldest version among the slices of the open generation; −1: there is none.
    /// </summary>
    public long LeastVersion => _state?.Open is { } open
        && _versions.TryGetValue(open.Number.Value, out long[]? slices)
        ? slices.Min()
        : -1;

    /// <summary>What the run has come to; null: it goes on.</summary>
    public TrainingResult? Result => (_state?.Phase as RunPhase.Completed)?.Result;

    /// <summary>Whether the run has failed as it should: two workers were found in dispute when it
    /// had just ended.</summary>
    public bool EndsInDispute { get; private set; }

    /// <summary>Ends the simulation if something does not hold at a node.</summary>
    public static void Require(
        bool holds, SimulatedNode node,
        [InterpolatedStringHandlerArgument(nameof(holds))] FailureText otherwise)
    {
        if (!holds)
        {
            Fail(node, otherwise.ToString());
        }
    }

    /// <summary>Terms and generations that a node obeys never go back.</summary>
    public void DirectiveAnswered(
        SimulatedNode node, string role, DirectiveStamp stamp, Generation generation, Lease lease,
        DirectiveAnswer answer)
    {
        cluster.Trace?.Write(
            cluster.Queue.Now, node.Id.Value,
            $"{role} is told {stamp} of {generation}, lease to {lease.EndVersion}:"
            + $" {answer.Verdict} {answer.Reason}");
        Require(
            answer.Verdict != DirectiveVerdict.Invalid, node,
            $"a directive to the {role} cannot be followed: {answer.Reason}");
        Statistics.StaleOrders += answer.Verdict == DirectiveVerdict.Stale ? 1 : 0;
        if (answer.Verdict is not (DirectiveVerdict.Accepted or DirectiveVerdict.Reopen))
        {
            return;
        }

        if (_obeyed.TryGetValue((node.Id, role), out var before))
        {
            Require(
                stamp.CompareTo(before.Stamp) > 0, node,
                $"the {role} obeys {stamp} after {before.Stamp}");
            Require(
                generation.CompareTo(before.Generation) >= 0, node,
                $"the {role} obeys {generation} after {before.Generation}");
        }

        _obeyed[(node.Id, role)] = (stamp, generation);
    }

    /// <summary>Nobody who keeps the protocol is sent what cannot be.</summary>
    public void Arrived<T>(SimulatedNode node, T header, ArrivalVerdict verdict)
        where T : struct
    {
        cluster.Trace?.Write(
            cluster.Queue.Now, node.Id.Value, $"{TraceText.Of(header)}: {verdict}");
        Statistics.StaleGenerations += verdict == ArrivalVerdict.StaleGeneration ? 1 : 0;
        Statistics.DuplicateGradients +=
            verdict == ArrivalVerdict.Duplicate && header is GradientHeader ? 1 : 0;
        Require(
            verdict is not (ArrivalVerdict.FutureStep or ArrivalVerdict.OtherRun
                or ArrivalVerdict.OtherSlice or ArrivalVerdict.NotInTree
                or ArrivalVerdict.WrongLength),
            node, $"{TraceText.Of(header)} is {verdict}");
    }

    /// <summary>A gradient with wrong bits is counted.</summary>
    public void WrongEntered(Generation generation, long step)
    {
        cluster.Trace?.Write(
            cluster.Queue.Now, "fault", $"wrong bits are in step {step} of {generation}");
        if (!_wrong.TryGetValue(generation.Value, out var steps))
        {
            _wrong.Add(generation.Value, steps = []);
        }

        steps.Add((generation.Value, step));
    }

    /// <summary>A coordinator holds two workers' bits against each other, and they differ.
    /// </summary>
    public void DisputeFound(Generation generation, Dispute dispute, SimulatedCoordinator by)
    {
        Require(
            cluster.Soundness.WasWrong(dispute.Pushed)
            || cluster.Soundness.WasWrong(dispute.Checked),
            $"{dispute}, and neither was wrong");
        if (by == cluster.Coordinator && _state?.Generation?.Number == generation)
        {
            _found.Add((generation.Value, dispute.Step));
        }
    }

    /// <summary>Each micro-batch is counted once.</summary>
    public void Folded(SimulatedNode node, SliceState state, SliceNumbers numbers)
    {
        (int first, int end) = numbers.Pieces;
        for (int piece = first; piece < end; piece++)
        {
            IReadOnlyList<int>? counts = numbers.RootCounts(piece);
            Require(
                counts is not null && counts.All(count => count == 1), node,
                $"in step {state.Version} of piece {piece} micro-batches are counted"
                + $" {string.Join(",", counts ?? [])} times");
        }
    }

    /// <summary>A server makes no version that it was granted no lease for.</summary>
    public void Applying(SimulatedNode node, SliceState state) => Require(
        state.Version < node.Server!.Obeyed!.Lease.EndVersion, node,
        $"makes version {state.Version + 1} with a lease to"
        + $" {node.Server.Obeyed.Lease.EndVersion}");

    /// <summary>A version is the same bits whenever and wherever it is made; no slice is more than
    /// one ahead of another.</summary>
    public void VersionMade(SimulatedNode node, SliceState state, SliceNumbers numbers)
    {
        long version = state.Version;
        cluster.Trace?.Write(
            cluster.Queue.Now, node.Id.Value,
            $"has version {version} of slice {state.Slice} in {state.Directive.Generation}");
        if (!IsWrong(state.Directive.Generation, version)
            && OracleOf(node, version) is { } expected)
        {
            RequireSame(
                node, numbers.Weights.Span, expected.Weights.AsSpan(numbers.Offset),
                $"version {version} of slice {state.Slice}");
            RequireSameState(node, numbers, expected, version);
        }

        long[] slices = VersionsOf(state.Directive.Generation, state.Plan.SliceCount);
        Require(
            version > slices[state.Slice], node,
            $"slice {state.Slice} goes from version {slices[state.Slice]} to {version}");
        slices[state.Slice] = version;
        Require(
            slices.All(other => other < 0 || Math.Abs(version - other) <= 1), node,
            $"slices of one generation have versions {string.Join(", ", slices)}");
    }

    /// <summary>The best weights are the single process's.</summary>
    public void BestKept(SimulatedNode node, SliceState state, SliceNumbers numbers)
    {
        if (IsWrong(state.Directive.Generation, state.BestVersion!.Value))
        {
            return;
        }

        Require(
            oracle.Epochs.Any(epoch => epoch.IsBest && epoch.StepsDone == state.BestVersion),
            node, $"version {state.BestVersion} is kept as the best");
        RequireSame(
            node, numbers.Best.Span,
            OracleOf(node, state.BestVersion!.Value)!.Result.AsSpan(numbers.Offset),
            $"the best version {state.BestVersion}");
    }

    /// <summary>A replica is the same bits everywhere, and never newer than any slice.</summary>
    public void ReplicaTaken(SimulatedNode node, WorkerState state, AlignedBuffer replica)
    {
        if (!IsWrong(state.Directive.Generation, state.Version)
            && OracleOf(node, state.Version) is { } expected)
        {
            RequireSame(
                node, replica.Span, expected.Weights, $"the replica of version {state.Version}");
        }

        long[] slices = VersionsOf(state.Directive.Generation, state.Plan.SliceCount);
        Require(
            slices.Min() >= state.Version, node,
            $"the replica has version {state.Version}, and slices have"
            + $" {string.Join(", ", slices)}");
    }

    /// <summary>A worker computes what it was told to, and nothing past its lease.</summary>
    public void Computing(SimulatedNode node, SimulatedWorker worker, WorkerTask task)
    {
        WorkerDirective obeyed = worker.Obeyed!;
        Require(
            task.Version < obeyed.Lease.EndVersion, node,
            $"computes step {task.Version} with a lease to {obeyed.Lease.EndVersion}");
        bool isAssigned = Contains(obeyed.Assigned, task.Range);
        bool isSpeculated = obeyed.Speculation is { } speculation
            && speculation.Step == task.Version
            && speculation.Ranges.Any(range => Contains(range, task.Range));
        Require(
            isAssigned || isSpeculated, node,
            $"computes micro-batches {task.Range} of step {task.Version}, assigned"
            + $" {obeyed.Assigned} by revision {obeyed.Revision}");
        Statistics.Speculations += isAssigned ? 0 : 1;
    }

    /// <summary>What is stored follows from what was, and agrees with the single process.</summary>
    public void Stored(ImmutableArray<RunEvent> events)
    {
        foreach (RunEvent happened in events)
        {
            CoordinatorState? before = _state;
            _state = before?.Apply(happened) ?? CoordinatorState.Of((RunSubmitted)happened);
            Count(happened);
            switch (happened)
            {
                case CoordinatorTookOver took:
                    Require(
                        took.Term == before!.Term.Next, $"{took.Term} follows {before.Term}");

                    // What the one before has found, and not stored, nobody knows any more.
                    _found.Clear();
                    break;
                case GenerationOpened opened:
                    OpensFromNewest(opened, before!.Newest?.Version);
                    TakeCourse(opened, before.Generation?.Number);
                    break;
                case CheckpointRetired retired when retired.Version == _newest:
                    _newest = _state.Newest?.Version ?? -1;
                    break;
                case WorkerQuarantined quarantined:
                    Quarantined(before!, quarantined.Worker);
                    break;
                case RunFailed when before!.Phase is RunPhase.Concluding && _found.Count > 0:
                    Statistics.LateDisputes++;
                    EndsInDispute = true;
                    break;
                case EpochJudged judged:
                    Judged(judged.Report);
                    break;
                case CheckpointCommitted committed:
                    Committed(committed.Manifest);
                    break;
                case RunFailed failed:
                    Require(false, $"the run fails: {failed.Reason}");
                    break;
            }
        }

        CheckpointsAreReadable();
    }

    // A generation goes on from what the one before has made, up to a version.
    private void TakeCourse(GenerationOpened opened, Generation? before)
    {
        long from = opened.Copies?.Version ?? opened.From ?? 0;
        if (before is { } last && _wrong.TryGetValue(last.Value, out var steps)
            && steps.Any(one => one.Step < from))
        {
            _wrong[opened.Number.Value] = [.. steps.Where(one => one.Step < from)];
        }

        Require(
            _state!.Dispute is not { } dispute || from <= dispute.Step,
            $"{opened.Number} opens from version {from}, and {_state.Dispute}");
    }

    // Where either course was wrong before, and nobody saw it, the third vote is on other weights.
    private void Quarantined(CoordinatorState before, NodeId worker) => Require(
        cluster.Soundness.WasWrong(worker)
        || IsWrong(before.DisputedIn, before.Dispute!.Step)
        || IsWrong(before.Generation?.Number, before.Dispute.Step),
        $"{worker} is quarantined, and was never wrong");

    private bool IsWrong(Generation? generation, long version) =>
        generation is { } course && _wrong.TryGetValue(course.Value, out var steps)
        && steps.Any(one => one.Step < version);

    private static void OpensFromNewest(GenerationOpened opened, long? newest) => Require(
        opened.Copies is { } copies
            ? opened.From is null && copies.Version > (newest ?? 0)
            : opened.From == newest,
        $"{opened.Number} opens from {opened.Copies?.Version ?? opened.From}, and the newest"
        + $" checkpoint is that of {newest}");

    /// <summary>No committed checkpoint is ever lost.</summary>
    public void CheckpointsAreReadable()
    {
        foreach (CheckpointManifest kept in _state!.Checkpoints)
        {
            foreach (CheckpointPart part in kept.Parts)
            {
                Require(
                    cluster.Storage.Read(kept.Version, part) is not null,
                    $"{part} of the committed checkpoint of version {kept.Version} is gone");
            }
        }
    }

    /// <summary>The run has come to the single process's result.</summary>
    public void Completed(TrainingResult result)
    {
        if (IsWrong(_state!.Generation?.Number, result.Steps))
        {
            Require(
                !_wrong[_state.Generation!.Number.Value].Overlaps(_found),
                $"the run ends in bits of {_state.Generation.Number} that were found to be wrong");
            Statistics.UnseenErrors++;
            return;
        }

        TrainingResult expected = oracle.Result;
        RequireEqual(expected.WeightsSha256, result.WeightsSha256, "weights-sha256");
        RequireEqual(expected.StateSha256, result.StateSha256, "state-sha256");
        RequireEqual(expected.Stop.Kind, result.Stop.Kind, "the stop");
        RequireEqual(expected.Steps, result.Steps, "steps");
        RequireEqual(expected.Epochs, result.Epochs, "epochs");
        RequireEqual(expected.BestMetric, result.BestMetric, "the best metric");
        RequireEqual(expected.BestEpoch, result.BestEpoch, "the best epoch");
        RequireEqual(expected.FinalIsBest, result.FinalIsBest, "whether the best is final");
        RequireEqual(expected.History.Length, result.History.Length, "reports");
        Statistics.Steps += result.Steps;
        Statistics.NonFiniteRuns += IsNonFinite ? 1 : 0;
    }

    private static bool Contains(MicroBatchRange outer, MicroBatchRange inner) =>
        outer.First <= inner.First && inner.End <= outer.End;

    private void Count(RunEvent happened)
    {
        Statistics.Terms += happened is CoordinatorTookOver ? 1 : 0;
        Statistics.Generations += happened is GenerationOpened ? 1 : 0;
        if (happened is GenerationOpened opened)
        {
            Statistics.Spreads += opened.Servers.Length > _servers && _servers > 0 ? 1 : 0;
            _servers = opened.Servers.Length;
        }

        Statistics.OpenedFromCopies += happened is GenerationOpened { Copies: not null } ? 1 : 0;
        Statistics.Assignments += happened is WorkersAssigned ? 1 : 0;
        Statistics.Commits += happened is CheckpointCommitted ? 1 : 0;
        Statistics.Aborts += happened is CheckpointAborted ? 1 : 0;
        Statistics.Halts += happened is HaltOrdered ? 1 : 0;
        Statistics.Disputes += happened is WorkersDisputed ? 1 : 0;
        Statistics.Quarantines += happened is WorkerQuarantined ? 1 : 0;
        Statistics.UserPauses += happened is RunPaused { Cause: PauseCause.User } ? 1 : 0;
        Statistics.TooFewWorkers +=
            happened is RunPaused { Cause: PauseCause.TooFewWorkers } ? 1 : 0;
    }

    private void Judged(EpochReport report)
    {
        if (IsWrong(_state!.Generation?.Number, report.StepsDone))
        {
            return;
        }

        EpochReport? expected = oracle.Epochs.FirstOrDefault(
            epoch => epoch.Epoch == report.Epoch);
        Require(
            expected is not null && Plain(expected) == Plain(report)
                && expected.Layers.AsSpan().SequenceEqual(report.Layers.AsSpan())
                && Same(expected.Validation, report.Validation),
            $"epoch {report.Epoch} is judged {report}, and by the single process {expected}");
    }

    private static EpochReport Plain(EpochReport report) =>
        report with { Layers = [], Validation = null };

    private static bool Same(EvaluationMetrics? one, EvaluationMetrics? other) =>
        Equals(one?.Loss, other?.Loss) && one?.Rows == other?.Rows
        && one?.Classification?.Accuracy == other?.Classification?.Accuracy
        && one?.Regression?.R2.Equals(other?.Regression?.R2) != false
        && (one?.Classification?.Confusion.Counts ?? []).AsSpan()
            .SequenceEqual((other?.Classification?.Confusion.Counts ?? []).AsSpan())
        && one?.Outputs?.Length == other?.Outputs?.Length
        && (one?.Outputs ?? []).Zip(other?.Outputs ?? [])
            .All(pair => Same(pair.First.Metrics, pair.Second.Metrics));

    private void Committed(CheckpointManifest manifest)
    {
        Require(
            manifest.Version >= _newest || IsNonFinite,
            $"the checkpoint of version {manifest.Version} is committed after that of {_newest}");
        _newest = manifest.Version;
        bool isWrong = IsWrong(_state!.Generation?.Number, manifest.Version);
        OracleVersion? expected = isWrong ? null : oracle.Version(manifest.Version);
        Require(
            expected is not null || isWrong || IsNonFinite,
            $"a checkpoint of version {manifest.Version}, which the run never has");
        foreach (CheckpointPart part in manifest.Parts)
        {
            float[]? content = cluster.Storage.Read(manifest.Version, part);
            Require(
                content is not null,
                $"checkpoint {manifest.Version} is committed before {part} is saved");
            if (expected is not null)
            {
                RequireSaved(manifest, part, content!, expected);
            }
        }
    }

    // What lies in a part after weights and states, the best weights, is only there if any are.
    private void RequireSaved(
        CheckpointManifest manifest, CheckpointPart part, float[] content, OracleVersion expected)
    {
        int total = expected.Weights.Length, states = expected.State.Length / total;
        int length = content.Length / (states + 2);
        int start = part.FirstBlock * cluster.Dimensions.Layout.BlockLength;
        string what = $"{part} of checkpoint {manifest.Version}";
        RequireSame(null, content.AsSpan(0, length), expected.Weights.AsSpan(start), what);
        for (int i = 0; i < states; i++)
        {
            RequireSame(
                null, content.AsSpan((i + 1) * length, length),
                expected.State.AsSpan((i * total) + start), $"state {i} in {what}");
        }

        if (manifest.BestVersion is { } best)
        {
            RequireSame(
                null, content.AsSpan((states + 1) * length, length),
                oracle.Version(best)!.Result.AsSpan(start), $"the best weights in {what}");
        }
    }

    private OracleVersion? OracleOf(SimulatedNode node, long version)
    {
        OracleVersion? expected = oracle.Version(version);
        Require(
            expected is not null || IsNonFinite, node,
            $"has version {version}, which the run never has");
        return expected;
    }

    private long[] VersionsOf(Generation generation, int slices)
    {
        if (!_versions.TryGetValue(generation.Value, out long[]? versions))
        {
            versions = new long[slices];
            Array.Fill(versions, -1);
            _versions.Add(generation.Value, versions);
        }

        Require(
            versions.Length == slices,
            $"{generation} has {versions.Length} slices, and {slices} elsewhere");
        return versions;
    }

    private void RequireSameState(
        SimulatedNode node, SliceNumbers numbers, OracleVersion expected, long version)
    {
        int length = numbers.Weights.Length, total = expected.Weights.Length;
        for (int i = 0; i < expected.State.Length / total; i++)
        {
            RequireSame(
                node, numbers.State.Span.Slice(i * length, length),
                expected.State.AsSpan((i * total) + numbers.Offset),
                $"state {i} of version {version}");
        }
    }

    private void RequireSame(
        SimulatedNode? node, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected,
        string what)
    {
        int same = actual.CommonPrefixLength(expected);
        if (same < actual.Length)
        {
            // Not a number equals nothing, itself included.
            for (int i = same; i < actual.Length; i++)
            {
                if (BitConverter.SingleToInt32Bits(actual[i])
                    != BitConverter.SingleToInt32Bits(expected[i]))
                {
                    Fail(
                        node, $"{what} differs from the single process: element {i} is"
                        + $" {actual[i]:R}, not {expected[i]:R}");
                }
            }
        }
    }

    private static void RequireEqual<T>(T expected, T actual, string what) => Require(
        EqualityComparer<T>.Default.Equals(expected, actual),
        $"{what} is {actual} in the end, and {expected} in the single process");

    private static void Require(
        bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] FailureText otherwise)
    {
        if (!holds)
        {
            throw new SimulationFailure(otherwise.ToString());
        }
    }

    private static void Fail(SimulatedNode? node, string what) =>
        throw new SimulationFailure(node is null ? what : $"{node.Id}: {what}");
}
