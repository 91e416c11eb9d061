using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Distributed.Configuration;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Ensembles;
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
internal sealed class TrainingSession
{
    private readonly RunSpecification _specification;
    private readonly string _text;
    private readonly TrainArguments _arguments;
    private readonly NodeConfiguration _node;
    private readonly RunDirectory _directory;
    private readonly TimeProvider _time;
    private readonly List<string> _warnings = [];
    private RunExtent? _extent;
    private TrainingProgress _progress = new();
    private long? _resumedAt;

    public TrainingSession(
        RunSpecification specification, string text, TrainArguments arguments,
        NodeConfiguration node, RunDirectory directory, TimeProvider time)
    {
        _specification = specification;
        _text = text;
        _arguments = arguments;
        _node = node;
        _directory = directory;
        _time = time;
    }

    /// <summary>How far the run goes; null: its data are still being opened.</summary>
    public RunExtent? Extent => Volatile.Read(ref _extent);

    /// <summary>Where the network that is being trained stands.</summary>
    public TrainingProgress Progress => Volatile.Read(ref _progress);

    private int Members => _specification.Ensemble?.Seeds ?? 1;

    /// <summary>Trains until the run ends or is interrupted.</summary>
    public TrainingOutcome Run(CancellationToken cancellation)
    {
        using PlannedRun planned = SpecificationFile.Plan(_specification);
        CheckpointFiles[] stores =
        [
            .. Enumerable.Range(0, Members).Select(member => new CheckpointFiles(
                _directory.CheckpointDirectory(member, Members), Kept)),
        ];
        Checkpoint?[] checkpoints = [.. stores.Select(TakeUp)];
        try
        {
            DurableFile.WriteText(_directory.SpecificationFile, _text);
            Volatile.Write(ref _extent, RunExtent.Of(planned.Plan));
            using var pool = new ComputePool(_node.EffectiveThreads);
            using var trainer = new EnsembleTrainer(planned.Plan, Members, pool, _time);
            EnsembleResult result = trainer.Run(
                member => new MemberRun(
                    BeginMember(), PolicyOf(stores[member]), checkpoints[member]),
                cancellation);
            WriteResults(trainer, result);
            return new TrainingOutcome(
                planned.Plan.Name, result, _resumedAt, [.. _warnings]);
        }
        finally
        {
            Array.ForEach(checkpoints, checkpoint => checkpoint?.Dispose());
        }
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

    /// <summary>The checkpoint to go on from; null: start.</summary>
    private Checkpoint? TakeUp(CheckpointFiles store)
    {
        if (_arguments.Restart)
        {
            store.DeleteAll();
            return null;
        }

        Checkpoint? checkpoint = store.Load();
        _warnings.AddRange(store.Damage.Select(
            damage => $"a checkpoint was passed over for the one before it: {damage}"));
        if (checkpoint is null || _arguments.Resume)
        {
            _resumedAt ??= checkpoint?.Header.Position.Step;
            return checkpoint;
        }

        using (checkpoint)
        {
            TrainingPosition position = checkpoint.Header.Position;
            if (position.Ended is null)
            {
                throw new MistakeException(
                    $"'{_directory.Path}' holds a run that was interrupted after step "
                    + $"{position.Step}: go on with --resume, start anew with --restart, or "
                    + "choose another directory with --output");
            }
        }

        store.DeleteAll();
        return null;
    }

    private void WriteResults(EnsembleTrainer trainer, EnsembleResult result)
    {
        bool isInterrupted = result.Members[^1].Stop.Kind == StopKind.Interrupted;
        string summary = RunSummary.Of(result, _node.EffectiveThreads).ToJson();
        if (!isInterrupted)
        {
            using TrainedModel model = trainer.Model();

            // The model is used without the file it came from, so it holds the text itself.
            var whole = new TrainedModel(
                model.Header with { Specification = _text }, model.Members);
            DurableFile.Write(_directory.ModelFile, whole.WriteTo);
            DurableFile.WriteText(_directory.SummaryFile, summary);
        }

        if (_arguments.Summary is string second)
        {
            DurableFile.WriteText(second, summary);
        }
    }
}
