using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Distributed.Configuration;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Ensembles;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Training;

/// <summary>What a session came to.</summary>
/// <param name="Name">The run's name.</param>
/// <param name="Result">Its networks' results.</param>
/// <param name="ResumedAt">The step it went on from; null: it started.</param>
/// <param name="Warnings">What went wrong on the way and was survived.</param>
internal sealed record TrainingOutcome(
    string Name, EnsembleResult Result, long? ResumedAt, ImmutableArray<string> Warnings);

/// <summary>One run of <c>backprop train</c>: opens the data, trains, keeps checkpoints, and leaves
/// the results in the run's directory. Runs on a thread of its own; the properties may be read from
/// others.</summary>
internal sealed class TrainingSession : ITrainingSession
{
    private readonly RunSpecification _specification;
    private readonly TrainArguments _arguments;
    private readonly NodeConfiguration _node;
    private readonly RunDirectory _directory;
    private readonly TimeProvider _time;
    private readonly List<string> _warnings = [];
    private RunExtent? _extent;
    private TrainingProgress _progress = new();
    private long? _resumedAt;

    public TrainingSession(
        RunSpecification specification, TrainArguments arguments, NodeConfiguration node,
        RunDirectory directory, TimeProvider time)
    {
        _specification = specification;
        _arguments = arguments;
        _node = node;
        _directory = directory;
        _time = time;
    }

    /// <inheritdoc/>
    public RunExtent? Extent => Volatile.Read(ref _extent);

    /// <inheritdoc/>
    public ProgressSnapshot Progress => Volatile.Read(ref _progress).Snapshot;

    private int Members => _specification.Members;

    /// <inheritdoc/>
    public TrainingOutcome Run(CancellationToken cancellation)
    {
        using PlannedRun planned = SpecificationFile.Plan(_specification);
        if (_specification.Transport.Gradients != ElementEncoding.Fp32)
        {
            _warnings.Add(
                "transport.gradients is for clusters: in one process no gradient travels, and none"
                + " is rounded");
        }

        CheckpointFiles[] stores =
        [
            .. Enumerable.Range(0, Members).Select(member => new CheckpointFiles(
                _directory.CheckpointDirectory(member, Members), Kept)),
        ];
        Checkpoint?[] checkpoints = TakeUp(stores);
        var digests = new DigestFile?[Members];
        try
        {
            DurableFile.WriteText(_directory.SpecificationFile, _specification.ResolvedText);
            Volatile.Write(ref _extent, RunExtent.Of(planned.Plan));
            using var pool = new ComputePool(_node.EffectiveThreads);
            using var trainer = new EnsembleTrainer(planned.Plan, Members, pool, _time);
            EnsembleResult result = trainer.Run(
                member => new MemberRun(
                    BeginMember(), PolicyOf(stores[member]), checkpoints[member],
                    digests[member] = OpenDigests(member, checkpoints[member])),
                cancellation);
            WriteResults(trainer, result);
            return new TrainingOutcome(
                planned.Plan.Name, result, _resumedAt, [.. _warnings]);
        }
        finally
        {
            Array.ForEach(checkpoints, checkpoint => checkpoint?.Dispose());
            Array.ForEach(digests, file => file?.Dispose());
        }
    }

    // A run that starts has no record yet; one that goes on is held to what it has.
    private DigestFile? OpenDigests(int member, Checkpoint? checkpoint)
    {
        string directory = _directory.CheckpointDirectory(member, Members);
        if (checkpoint is null)
        {
            DigestFile.Delete(directory);
        }

        return _specification.Digests ? DigestFile.Open(directory) : null;
    }

    private int Kept => IsDefault ? _node.Checkpoint.Keep : Math.Max(
        _node.Checkpoint.Keep, _specification.Checkpoint.Keep);

    // Where the specification says nothing of checkpoints, the node does.
    private bool IsDefault => _specification.Checkpoint == CheckpointSpecification.Default;

    private CheckpointPolicy PolicyOf(ICheckpointStore store)
    {
        CheckpointSpecification asked = _specification.Checkpoint;
        return IsDefault
            ? new CheckpointPolicy(store, null, null, _node.Checkpoint.Interval)
            : new CheckpointPolicy(store, asked.EveryEpochs, asked.EverySteps, asked.Every);
    }

    private TrainingProgress BeginMember()
    {
        var progress = new TrainingProgress();
        Volatile.Write(ref _progress, progress);
        return progress;
    }

    /// <summary>What each member goes on from; null: it starts.</summary>
    private Checkpoint?[] TakeUp(CheckpointFiles[] stores)
    {
        if (_arguments.Restart)
        {
            Array.ForEach(stores, store => store.DeleteAll());
            return new Checkpoint?[stores.Length];
        }

        Checkpoint?[] checkpoints = [.. stores.Select(store => store.Load())];
        _warnings.AddRange(stores.SelectMany(store => store.Damage).Select(
            damage => $"a checkpoint was passed over for the one before it: {damage}"));
        TrainingPosition[] positions =
            [.. checkpoints.OfType<Checkpoint>().Select(checkpoint => checkpoint.Header.Position)];
        if (_arguments.Resume)
        {
            _resumedAt = positions.Length == 0 ? null : positions.Sum(position => position.Step);
            return checkpoints;
        }

        Array.ForEach(checkpoints, checkpoint => checkpoint?.Dispose());
        if (positions.Any(position => position.Ended is null)
            || (positions.Length > 0 && positions.Length < stores.Length))
        {
            throw new MistakeException(
                $"'{_directory.Path}' holds a run that was interrupted after step "
                + $"{positions.Sum(position => position.Step)}: go on with --resume, start anew "
                + "with --restart, or choose another directory with --output");
        }

        Array.ForEach(stores, store => store.DeleteAll());
        return new Checkpoint?[stores.Length];
    }

    private void WriteResults(EnsembleTrainer trainer, EnsembleResult result)
    {
        bool isInterrupted = result.Members[^1].Stop.Kind == StopKind.Interrupted;
        string summary = RunSummary.Of(result, _node.EffectiveThreads).ToJson();
        if (!isInterrupted)
        {
            using TrainedModel model = trainer.Model();

            // The model is used without the files it came from, so it holds what they said.
            var whole = new TrainedModel(
                model.Header with { Specification = _specification.ResolvedText },
                model.Members);
            DurableFile.Write(_directory.ModelFile, whole.WriteTo);
            DurableFile.WriteText(_directory.SummaryFile, summary);
        }

        if (_arguments.Summary is string second)
        {
            DurableFile.WriteText(second, summary);
        }
    }
}
