using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Coordination;

/// <summary>A run that was submitted.</summary>
/// <param name="Registered">What was submitted, and when.</param>
/// <param name="Outline">What its data come to; null: nobody has looked yet.</param>
/// <param name="Model">Its trained model; null: there is none yet.</param>
/// <param name="Ended">What it came to; null: it is not over.</param>
public sealed record RegisteredRun(
    RunRegistered Registered, RunOutline? Outline, StoredFile? Model, RunSummaryView? Ended)
{
    /// <summary>What trials are compared by; null: it has not completed.</summary>
    public RunOutcome? Outcome { get; init; }

    /// <summary>The run.</summary>
    public RunId Id => Registered.Run;

    /// <summary>What nodes are told of it; null: nobody has looked at its data yet.</summary>
    public RunSetup? Setup => Outline is null
        ? null
        : new RunSetup(Id, Registered.Specification, Outline);
}

/// <summary>A sweep that was submitted.</summary>
/// <param name="Registered">What was submitted, and when.</param>
public sealed record RegisteredSweep(SweepRegistered Registered)
{
    /// <summary>Whether the user has ended it.</summary>
    public bool IsStopped { get; init; }

    /// <summary>What it came to; null: it is not over.</summary>
    public SweepSummaryView? Ended { get; init; }

    /// <summary>Its runs, by round and trial.</summary>
    public ImmutableSortedDictionary<(int Round, int Trial), RunId> Runs { get; init; } =
        ImmutableSortedDictionary<(int Round, int Trial), RunId>.Empty;

    /// <summary>The sweep.</summary>
    public SweepId Id => Registered.Sweep;

    /// <summary>Runs that it may still submit.</summary>
    public int Reserved => IsStopped || Ended is not null ? 0 : Registered.Runs - Runs.Count;
}

/// <summary>What is to happen by a request, or why nothing is.</summary>
/// <param name="Events">What has happened.</param>
/// <param name="Answer">To be given once that is persisted; null: the run itself answers.</param>
public sealed record RegistryDecision(
    ImmutableArray<RegistryEvent> Events, CoordinatorAnswer? Answer);

/// <summary>All runs of a cluster and their queue: a function of the registry's events.</summary>
public sealed record RegistryState
{
    /// <summary>Runs that are kept in all, those that are over included.</summary>
    public const int MaxRuns = 10_000;

    /// <summary>Letters of a specification: it travels to every node as one message, and data
    /// belong in files.</summary>
    public const int MaxSpecificationLength = 1 << 18;

    /// <summary>Sweeps that are kept in all, those that are over included.</summary>
    public const int MaxSweeps = 1_000;

    private const int MaxSlugLength = 40;

    /// <summary>Without runs.</summary>
    public static RegistryState Empty { get; } = new();

    /// <summary>Every run.</summary>
    public ImmutableSortedDictionary<long, RegisteredRun> Runs { get; init; } =
        ImmutableSortedDictionary<long, RegisteredRun>.Empty;

    /// <summary>Those that have entered the queue and are not over.</summary>
    public RunQueue Queue { get; init; } = RunQueue.Empty;

    /// <summary>Every sweep.</summary>
    public ImmutableSortedDictionary<long, RegisteredSweep> Sweeps { get; init; } =
        ImmutableSortedDictionary<long, RegisteredSweep>.Empty;

    /// <summary>Runs that there may still be, beside those that sweeps are to submit.</summary>
    public int Room => MaxRuns - Runs.Count - Sweeps.Values.Sum(sweep => sweep.Reserved);

    // Runs and sweeps are never removed.
    private long NextRunNumber => Runs.Count + 1;

    private long NextSweepNumber => Sweeps.Count + 1;

    /// <summary>A run's number, by its name.</summary>
    private ImmutableDictionary<RunId, long> Numbers { get; init; } =
        ImmutableDictionary<RunId, long>.Empty;

    /// <summary>The run of a name; null: there is none.</summary>
    public RegisteredRun? Find(RunId run) =>
        Numbers.TryGetValue(run, out long number) ? Runs[number] : null;

    /// <summary>The sweep of a name; null: there is none.</summary>
    public RegisteredSweep? Find(SweepId sweep) =>
        Sweeps.Values.FirstOrDefault(one => one.Id == sweep);

    /// <summary>Runs, newest first.</summary>
    /// <param name="after">Only older ones than this; null, or a run that there is not: from the
    /// newest on.</param>
    /// <param name="limit">At most so many.</param>
    public IEnumerable<RegisteredRun> Newest(RunId? after, int limit)
    {
        long before = after is { } run && Numbers.TryGetValue(run, out long number)
            ? number
            : long.MaxValue;
        return Runs.Reverse().SkipWhile(entry => entry.Key >= before).Take(limit)
            .Select(entry => entry.Value);
    }

    /// <summary>The state after one more event.</summary>
    public RegistryState Apply(RegistryEvent happened) => happened switch
    {
        RunRegistered registered => Enter(registered),
        RunOutlined outlined => Change(
            outlined.Run, run => run with { Outline = outlined.Outline }),
        ModelStored stored => Change(stored.Run, run => run with { Model = stored.Model }),
        RunEnded ended => Change(
            ended.Run, run => run with { Ended = ended.Summary, Outcome = ended.Outcome }),
        SweepRegistered registered => this with
        {
            Sweeps = Sweeps.Add(NextSweepNumber, new RegisteredSweep(registered)),
        },
        SweepStopped stopped => Change(stopped.Sweep, sweep => sweep with { IsStopped = true }),
        SweepEnded ended => Change(ended.Sweep, sweep => sweep with { Ended = ended.Summary }),
        QueueChanged queued => this with { Queue = Queue.Apply(queued.Happened) },
        _ => throw new InvalidOperationException($"unknown event {happened}"),
    };

    /// <summary>Decides on a submission.</summary>
    /// <param name="request">What is handed in.</param>
    /// <param name="now">The time.</param>
    /// <param name="fileRefusal">Why it may not name a file of data; null: it may name any.</param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    public RegistryDecision Submit(
        CoordinatorRequest.Submit request, DateTimeOffset now,
        Func<string, string?>? fileRefusal = null, LayerPlugins? plugins = null)
    {
        RegisteredRun? known = Runs.Values.FirstOrDefault(
            run => run.Registered.Submission == request.Submission);
        if (known is not null)
        {
            return known.Registered.Specification == request.Specification
                ? new RegistryDecision([], new CoordinatorAnswer.Submitted(known.Id))
                : Refuse(
                    RefusalKind.Conflict,
                    $"the same key was used for run {known.Id}, which has another specification");
        }

        if (LengthRefusal(request.Specification, request.Source) is { } tooLong)
        {
            return Refuse(RefusalKind.Invalid, tooLong);
        }

        if (Room < 1)
        {
            return Refuse(
                RefusalKind.Invalid,
                $"the cluster keeps {MaxRuns:N0} runs at most, those that its sweeps are to submit"
                + " among them");
        }

        RunSpecification specification;
        try
        {
            specification = ClusterRules.Read(
                request.Specification, request.Source, fileRefusal, plugins);
        }
        catch (SpecificationException mistakes)
        {
            return Refuse(RefusalKind.Invalid, mistakes.Message);
        }

        RunId id = NewRunId(specification.Name);
        return new RegistryDecision(
            [
                new RunRegistered(
                    now, id, request.Submission, specification.Name, request.Specification,
                    request.Source, request.Priority),
            ],
            new CoordinatorAnswer.Submitted(id));
    }

    /// <summary>The name of the next run that is registered.</summary>
    /// <param name="name">Its name in the specification.</param>
    public RunId NewRunId(string name) => new($"{Slug(name)}-{NextRunNumber}");

    /// <summary>The name of the next sweep that is registered.</summary>
    /// <param name="name">Its name in the specification.</param>
    public SweepId NewSweepId(string name) => new($"{Slug(name)}-{NextSweepNumber}");

    /// <summary>Why a specification is not taken, whatever stands in it; null: it may be.</summary>
    /// <param name="specification">The text.</param>
    /// <param name="source">Its file.</param>
    public static string? LengthRefusal(string specification, string source) =>
        specification.Length > MaxSpecificationLength
            ? $"{source} has {specification.Length:N0} letters with its includes; a cluster takes"
                + $" specifications of at most {MaxSpecificationLength:N0}: keep data in files"
            : null;

    /// <summary>Decides on what a worker says of a run's data: it enters the queue, or is over.
    /// </summary>
    /// <param name="queue">The queue, with the workers that there are.</param>
    /// <param name="answer">What the worker says.</param>
    /// <param name="options">How the run is coordinated.</param>
    /// <param name="now">The time.</param>
    public ImmutableArray<RegistryEvent> Enqueue(
        RunQueue queue, OutlineAnswer answer, CoordinationOptions options, DateTimeOffset now)
    {
        RegisteredRun? run = Find(answer.Run);
        if (run is null or { Outline: not null } or { Ended: not null })
        {
            return [];
        }

        QueueDecision queued = queue.Decide(
            new QueueCommand.Submit(
                run.Id, run.Registered.Priority, options.MinWorkers, options.MaxWorkers), now);
        return queued.Refusal is { } refusal
            ? [Ended(run, RunStanding.Failed, refusal, now)]
            :
            [
                new RunOutlined(now, run.Id, answer.Outline!),
                .. queued.Events.Select(happened => new QueueChanged(happened)),
            ];
    }

    /// <summary>The end of a run that never came to train.</summary>
    public RunEnded Ended(
        RegisteredRun run, RunStanding standing, string reason, DateTimeOffset now) =>
        new(now, run.Id, SummaryOf(run, standing, reason));

    /// <summary>What a list shows of a run that nobody coordinates yet.</summary>
    public static RunSummaryView SummaryOf(
        RegisteredRun run, RunStanding standing, string reason) => new(
        run.Id, run.Registered.Name, standing, reason, run.Registered.Priority,
        run.Registered.At, 0, 0, 0, null);

    /// <summary>A request that changes nothing.</summary>
    internal static RegistryDecision Refuse(RefusalKind kind, string reason) =>
        new([], new CoordinatorAnswer.Refused(kind, reason));

    private static string Slug(string name)
    {
        char[] letters =
        [
            .. name.ToLowerInvariant()
                .Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-')
                .Take(MaxSlugLength),
        ];
        string slug = new string(letters).Trim('-');
        return slug.Length > 0 ? slug : "run";
    }

    private RegistryState Enter(RunRegistered registered)
    {
        long number = NextRunNumber;
        RegistryState next = this with
        {
            Runs = Runs.Add(number, new RegisteredRun(registered, null, null, null)),
            Numbers = Numbers.Add(registered.Run, number),
        };
        return registered.Trial is { } trial
            ? next.Change(trial.Sweep, sweep => sweep with
            {
                Runs = sweep.Runs.Add((trial.Round, trial.Trial), registered.Run),
            })
            : next;
    }

    private RegistryState Change(SweepId id, Func<RegisteredSweep, RegisteredSweep> change)
    {
        (long number, RegisteredSweep sweep) = Sweeps.First(entry => entry.Value.Id == id);
        return this with { Sweeps = Sweeps.SetItem(number, change(sweep)) };
    }

    private RegistryState Change(RunId id, Func<RegisteredRun, RegisteredRun> change)
    {
        long number = Numbers[id];
        return this with { Runs = Runs.SetItem(number, change(Runs[number])) };
    }
}
