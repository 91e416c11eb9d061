using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data.Sources;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Training;
using Backprop.Training.Digests;
using Backprop.Training.Ensembles;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Training;

/// <summary>One run of <c>backprop train --workers</c>: a whole cluster in this process trains it,
/// keeps its state in the run's directory, and comes to the bits of the single process.</summary>
internal sealed class EmbeddedSession : ITrainingSession
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_databasePatience = TimeSpan.FromSeconds(10);

    // A pause waits for one step and one checkpoint.
    private static readonly TimeSpan s_mostForPause = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan s_mostForDigests = TimeSpan.FromSeconds(30);

    private readonly RunSpecification _specification;
    private readonly TrainArguments _arguments;
    private readonly EmbeddedSize _size;
    private readonly NodeConfiguration _node;
    private readonly LayerPlugins _plugins;
    private readonly RunDirectory _directory;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private RunExtent? _extent;
    private ProgressSnapshot _progress = new(0, 0, 0, double.NaN, null);
    private long? _firstVersion;

    public EmbeddedSession(
        RunSpecification specification, TrainArguments arguments, EmbeddedSize size,
        NodeConfiguration node, LayerPlugins plugins, RunDirectory directory, TimeProvider time)
    {
        _specification = specification;
        _arguments = arguments;
        _size = size;
        _node = node;
        _plugins = plugins;
        _directory = directory;
        _time = time;
    }

    /// <inheritdoc/>
    public RunExtent? Extent => Volatile.Read(ref _extent);

    /// <inheritdoc/>
    public ProgressSnapshot Progress
    {
        get
        {
            lock (_gate)
            {
                return _progress;
            }
        }
    }

    /// <inheritdoc/>
    public TrainingOutcome Run(CancellationToken cancellation) =>
        RunAsync(cancellation).GetAwaiter().GetResult();

    private async Task<TrainingOutcome> RunAsync(CancellationToken cancellation)
    {
        if (ClusterRules.Refusal(_specification) is { } mistake)
        {
            throw new SpecificationException([mistake]);
        }

        if (_specification.Workers.Min > _size.Workers)
        {
            throw new MistakeException(
                $"the run waits for {Counted.Of(_specification.Workers.Min, "worker")}"
                + " (workers.min), and"
                + $" --workers says {_size.Workers}");
        }

        RequireNoOtherRun();
        if (_arguments.Restart && Directory.Exists(_directory.StateDirectory))
        {
            Directory.Delete(_directory.StateDirectory, recursive: true);
        }

        string? hung = null;
        var persistence = new PersistenceOptions.Sqlite(_directory.StateDirectory);
        await StateDatabase.PrepareAsync(persistence, s_databasePatience, cancellation);
        await using var cluster = new EmbeddedCluster(new EmbeddedOptions
        {
            Workers = _size.Workers,
            ParameterServers = _size.ParameterServers,
            Threads = _node.EffectiveThreads,
            Persistence = PersistenceConfiguration.ToAkka(persistence),
            Data = SpecificationFile.Opener(),
            Plugins = _plugins,
            MemoryLimitBytes = SpecificationFile.MemoryLimitBytes,
            OnHung = reason => Volatile.Write(ref hung, reason),
            Time = _time,
        });
        (RunId run, long? resumedAt) = await TakeUpAsync(cluster, cancellation);
        RunView view = await FollowAsync(cluster, run, () => hung, cancellation);
        if (view.Result is not { } result)
        {
            return view.Summary.Standing == RunStanding.Paused
                ? new TrainingOutcome(
                    _specification.Name, ResultOf(Interrupted(view)), resumedAt, [])
                : throw new IOException($"training failed: {view.Summary.Reason}");
        }

        await WriteResultsAsync(cluster, view.Model!, result, cancellation);
        ImmutableArray<string> warnings = _specification.Digests
            ? await WriteDigestsAsync(cluster, run, view.Summary.Version, cancellation)
            : [];
        return new TrainingOutcome(_specification.Name, ResultOf(result), resumedAt, warnings);
    }

    // The last ones may still be on their way to the database.
    private async Task<ImmutableArray<string>> WriteDigestsAsync(
        EmbeddedCluster cluster, RunId run, long version, CancellationToken cancellation)
    {
        long began = _time.GetTimestamp();
        while (true)
        {
            var digests = new MemoryStream();
            digests.Write(DigestFormat.Header);
            await foreach (ReadOnlyMemory<byte> chunk in
                cluster.Digests.ReadAsync(run, 0, cancellation))
            {
                digests.Write(chunk.Span);
            }

            bool isWhole = DigestFormat.CountIn(digests.Length) > version;
            if (isWhole || _time.GetElapsedTime(began) > s_mostForDigests)
            {
                DurableFile.Write(_directory.DigestsFile, digests.WriteTo);
                return isWhole ? [] : ["the digests of the last steps were not stored in time"];
            }

            await Task.Delay(s_look, _time, cancellation);
        }
    }

    // What one process has left here would be passed over, or overwritten.
    private void RequireNoOtherRun()
    {
        var store = new CheckpointFiles(
            _directory.CheckpointDirectory(0, 1), _node.Checkpoint.Keep);
        using var checkpoint = store.Load();
        if (checkpoint is { Header.Position.Ended: null })
        {
            throw new MistakeException(
                $"'{_directory.Path}' holds a run that one process has begun: go on with it"
                + " without --workers, or choose another directory with --output");
        }
    }

    /// <summary>The run to follow: a new one, or the one that was interrupted.</summary>
    private async Task<(RunId Run, long? ResumedAt)> TakeUpAsync(
        EmbeddedCluster cluster, CancellationToken cancellation)
    {
        var all = await AskAsync<CoordinatorAnswer.Runs>(
            cluster, new CoordinatorRequest.ListRuns(), cancellation);
        // A run that is over tells its result again if it is resumed, as in one process.
        RunSummaryView? last = all.All.FirstOrDefault(
            run => run.Standing is not (RunStanding.Failed or RunStanding.Stopped));
        if (last is null || (last.Standing == RunStanding.Completed && !_arguments.Resume))
        {
            DurableFile.WriteText(_directory.SpecificationFile, _specification.ResolvedText);
            var submitted = await AskAsync<CoordinatorAnswer.Submitted>(
                cluster,
                new CoordinatorRequest.Submit(
                    Guid.NewGuid(), _specification.ResolvedText, _arguments.Specification, 0),
                cancellation);
            return (submitted.Id, null);
        }

        var shown = await AskAsync<CoordinatorAnswer.Run>(
            cluster, new CoordinatorRequest.ShowRun(last.Id), cancellation);
        RunSummaryView open = shown.View.Summary;
        RequireSame(open);
        if (open.Standing == RunStanding.Paused)
        {
            await AskAsync<CoordinatorAnswer.Done>(
                cluster, new CoordinatorRequest.ControlRun(open.Id, RunControl.Resume),
                cancellation);
        }

        return (open.Id, open.Version);
    }

    private void RequireSame(RunSummaryView open)
    {
        if (!_arguments.Resume)
        {
            throw new MistakeException(
                $"'{_directory.Path}' holds a run that was interrupted after step {open.Version}:"
                + " go on with --resume, start anew with --restart, or choose another directory"
                + " with --output");
        }

        RunSpecification begun = SpecificationFile.Read(_directory.SpecificationFile, _plugins);
        if (begun.CanonicalText != _specification.CanonicalText)
        {
            string[] before = begun.CanonicalText.Split('\n');
            string[] now = _specification.CanonicalText.Split('\n');
            throw new MistakeException(
                $"the run in '{_directory.Path}' was begun with another specification: there it is"
                + $" '{before.Except(now).FirstOrDefault()}', here"
                + $" '{now.Except(before).FirstOrDefault()}'");
        }
    }

    private async Task<RunView> FollowAsync(
        EmbeddedCluster cluster, RunId run, Func<string?> hung, CancellationToken cancellation)
    {
        long pausedAt = 0;
        while (true)
        {
            if (hung() is { } reason)
            {
                throw new IOException($"a computation hangs: {reason}");
            }

            var shown = await AskAsync<CoordinatorAnswer.Run>(
                cluster, new CoordinatorRequest.ShowRun(run), CancellationToken.None);
            Note(shown.View);
            RunStanding standing = shown.View.Summary.Standing;
            if (standing is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped
                || (standing == RunStanding.Paused && pausedAt != 0))
            {
                return shown.View;
            }

            if (cancellation.IsCancellationRequested && pausedAt == 0)
            {
                pausedAt = _time.GetTimestamp();
                await cluster.Client.AskAsync(
                    new CoordinatorRequest.ControlRun(run, RunControl.Pause),
                    CancellationToken.None);
            }

            if (pausedAt != 0 && _time.GetElapsedTime(pausedAt) > s_mostForPause)
            {
                throw new IOException(
                    $"the run has not paused within {s_mostForPause}: {shown.View.Summary.Reason}."
                    + " What was committed before is kept");
            }

            await Task.Delay(s_look, _time, CancellationToken.None);
        }
    }

    private void Note(RunView view)
    {
        if (view.StepsPerEpoch == 0)
        {
            return;
        }

        long version = view.Summary.Version;
        _firstVersion ??= version;
        long seen = Math.Max(0, version - _firstVersion.Value);
        lock (_gate)
        {
            _progress = new ProgressSnapshot(
                version, seen * _specification.BatchSize, seen,
                view.Progress?.Loss ?? _progress.Loss, view.History.LastOrDefault());
        }

        Volatile.Write(
            ref _extent,
            new RunExtent(view.Summary.TotalSteps, view.StepsPerEpoch, view.Epochs));
    }

    private async Task WriteResultsAsync(
        EmbeddedCluster cluster, StoredFile stored, TrainingResult result,
        CancellationToken cancellation)
    {
        string summary = RunSummary.Of(result, _node.EffectiveThreads).ToJson();
        var model = new MemoryStream();
        await foreach (ReadOnlyMemory<byte> piece in cluster.Files.ReadAsync(stored, cancellation))
        {
            model.Write(piece.Span);
        }

        DurableFile.Write(_directory.ModelFile, model.WriteTo);
        DurableFile.WriteText(_directory.SummaryFile, summary);
        if (_arguments.Summary is { } second)
        {
            DurableFile.WriteText(second, summary);
        }
    }

    private static async Task<T> AskAsync<T>(
        EmbeddedCluster cluster, CoordinatorRequest request, CancellationToken cancellation)
        where T : CoordinatorAnswer => await cluster.Client.AskAsync(request, cancellation) switch
    {
        T answer => answer,
        CoordinatorAnswer.Refused { Kind: RefusalKind.Invalid } refused =>
            throw new MistakeException(refused.Reason),
        CoordinatorAnswer.Refused refused => throw new IOException(refused.Reason),
        var other => throw new InvalidOperationException($"{request} was answered by {other}"),
    };

    private static EnsembleResult ResultOf(TrainingResult result) =>
        new([result], result.Validation, result.Test);

    private TrainingResult Interrupted(RunView view) => new()
    {
        Name = _specification.Name,
        Steps = view.Summary.Version,
        Epochs = view.History.Length,
        Stop = new StopDecision(
            StopKind.Interrupted, $"interrupted after step {view.Summary.Version}"),
        History = view.History,
        BestMetric = view.History.LastOrDefault(report => report.IsBest)?.Metric,
        BestEpoch = view.History.LastOrDefault(report => report.IsBest)?.Epoch,
        FinalIsBest = false,
        Validation = null,
        Test = null,
        Elapsed = view.Elapsed,
        SamplesPerSecond = view.Elapsed > TimeSpan.Zero
            ? view.Summary.Version * _specification.BatchSize / view.Elapsed.TotalSeconds
            : 0,
        WeightsSha256 = "",
        StateSha256 = "",
        Notes = ClusterRules.NotesOf(_specification),
    };
}
