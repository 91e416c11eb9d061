using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Randomness;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Stopping;

namespace Backprop.Training.Sweeps;

/// <summary>A combination of values.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Values">One for each of the sweep's parameters.</param>
public sealed record SweepTrial(int Number, ImmutableArray<string> Values);

/// <summary>Trials that are trained for so many epochs, and how many of them go on.</summary>
/// <param name="Epochs">Epochs; null: the run's own.</param>
/// <param name="Survivors">The best ones, that the next round trains; 0 in the last.</param>
public sealed record SweepRound(int? Epochs, int Survivors);

/// <summary>What a trial came to in a round.</summary>
/// <param name="Trial">The trial's number.</param>
/// <param name="Epochs">Epochs that it was to be trained for.</param>
/// <param name="Metric">The best value of the run's metric; null: it has none, it failed.</param>
/// <param name="WeightsSha256">Of the weights that it ended with; null: it failed.</param>
/// <param name="Ended">Why it ended, in words.</param>
public sealed record TrialOutcome(
    int Trial, int Epochs, double? Metric, string? WeightsSha256, string Ended)
{
    /// <summary>Whether it can be compared with others.</summary>
    public bool HasMetric => Metric is not (null or double.NaN);

    /// <summary>Of a trial whose run came to an end by itself.</summary>
    /// <param name="trial">The trial's number.</param>
    /// <param name="epochs">Epochs that it was to be trained for.</param>
    /// <param name="stop">How the run ended.</param>
    /// <param name="metric">The best value of its metric.</param>
    /// <param name="weightsSha256">Of its final weights.</param>
    public static TrialOutcome Of(
        int trial, int epochs, StopDecision stop, double? metric, string weightsSha256)
    {
        bool failed = stop.Kind == StopKind.NonFinite;
        return new TrialOutcome(
            trial, epochs, failed ? null : metric, failed ? null : weightsSha256, stop.Reason);
    }
}

/// <summary>
/// What a sweep does: the trials, the rounds in which they are trained, and who goes on. It is a
/// function of the sweep and the run alone, and so are the trials' results, so that every machine
/// and cluster comes to the same winner. Each round trains its trials anew, for more epochs, over
/// which the schedule of the learning rate is spread.
/// </summary>
public sealed class SweepPlan
{
    /// <summary>The most trials.</summary>
    public const int MaxTrials = 10_000;

    private const string EpochsKey = "epochs";

    private readonly SweepSpecification _sweep;
    private readonly HoconObject _run;
    private readonly LayerPlugins? _plugins;
    private readonly Func<string, string?>? _fileRefusal;

    private SweepPlan(
        SweepSpecification sweep, HoconObject run, RunSpecification specification,
        LayerPlugins? plugins, Func<string, string?>? fileRefusal)
    {
        _sweep = sweep;
        _run = run;
        _plugins = plugins;
        _fileRefusal = fileRefusal;
        RunText = specification.ResolvedText;
        Metric = specification.Stop.Value.Metric;
        MetricName = StoppingState.NameOf(specification.Stop.Value);
        Epochs = specification.Epochs;
        Trials = TrialsOf(sweep);
        Rounds = RoundsOf(sweep.Search, Trials.Length, specification.Epochs);
    }

    /// <summary>What trials are judged by: the run's <c>stop.metric</c>.</summary>
    public StopMetric Metric { get; }

    /// <summary>Its words: <c>validation loss</c>.</summary>
    public string MetricName { get; }

    /// <summary>The run's epochs.</summary>
    public int Epochs { get; }

    /// <summary>The run's specification, which stands alone: every include is in its place.
    /// </summary>
    public string RunText { get; }

    /// <summary>The keys whose values are looked for.</summary>
    public ImmutableArray<SweptParameter> Parameters => _sweep.Parameters;

    /// <summary>Runs of all rounds, if no trial fails.</summary>
    public int RunCount =>
        Trials.Length + Rounds.Sum(round => Math.Min(round.Survivors, Trials.Length));

    /// <summary>The trials, by number.</summary>
    public ImmutableArray<SweepTrial> Trials { get; }

    /// <summary>The rounds, in order; one, but with halving.</summary>
    public ImmutableArray<SweepRound> Rounds { get; }

    /// <summary>Plans a sweep.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="text">The run's specification.</param>
    /// <param name="file">Its name, for messages and for relative includes.</param>
    /// <param name="includes">Where included texts come from; null: includes are refused.</param>
    /// <param name="plugins">The plug-ins that the run may have layers of; null: none.</param>
    /// <param name="fileRefusal">Why the run, or a trial, may not name a file of data; null: it may
    /// name any.</param>
    /// <exception cref="SpecificationException">The run is not valid, cannot be swept, or has no
    /// such keys.</exception>
    public static SweepPlan Of(
        SweepSpecification sweep, string text, string file, IIncludeSource? includes = null,
        LayerPlugins? plugins = null, Func<string, string?>? fileRefusal = null)
    {
        HoconObject root = HoconReader.Read(text, file, includes);
        RunSpecification run = RunSpecificationReader.Read(root, fileRefusal, plugins);
        if (run.Ensemble is not null)
        {
            throw new SpecificationException([sweep.Run.Place.Error(
                $"'{file}' is an ensemble, whose members have a metric each: sweep one network, "
                + "and train an ensemble of the best")]);
        }

        if (sweep.Search is SweepSearch.Halving
            && sweep.Parameters.FirstOrDefault(p => p.Key.Value == EpochsKey) is { } epochs)
        {
            throw new SpecificationException([epochs.Key.Place.Error(
                "halving itself says how many epochs a trial is trained for")]);
        }

        var plan = new SweepPlan(sweep, root, run, plugins, fileRefusal);
        foreach (SweptParameter parameter in sweep.Parameters)
        {
            KeyOverride.Apply(root, parameter.Key, "0");
        }

        return plan;
    }

    /// <summary>The run of a trial in a round.</summary>
    /// <exception cref="SpecificationException">A value does not suit its key, or they do not suit
    /// each other; it stands where the sweep has it.</exception>
    public RunSpecification RunOf(SweepTrial trial, SweepRound round)
    {
        HoconObject run = _run;
        for (int i = 0; i < _sweep.Parameters.Length; i++)
        {
            run = KeyOverride.Apply(run, _sweep.Parameters[i].Key, trial.Values[i]);
        }

        run = KeyOverride.Apply(
            run, _sweep.Run with { Value = "name" }, $"{_sweep.Name}-{trial.Number}");
        if (round.Epochs is { } epochs)
        {
            run = KeyOverride.Apply(
                run, _sweep.Run with { Value = EpochsKey },
                epochs.ToString(CultureInfo.InvariantCulture));
        }

        return RunSpecificationReader.Read(run, _fileRefusal, _plugins);
    }

    /// <summary>Epochs that a trial is trained for in a round, by the numbers of both, from 1.
    /// </summary>
    public int EpochsOf(int round, int trial)
    {
        SweepRound here = Rounds[round - 1];
        int swept = Parameters.Select(parameter => parameter.Key.Value).ToList()
            .IndexOf(EpochsKey);
        return here.Epochs ?? (swept < 0 ? Epochs
            : int.TryParse(
                Trials[trial - 1].Values[swept], NumberStyles.None, CultureInfo.InvariantCulture,
                out int epochs) ? epochs
            : RunOf(Trials[trial - 1], here).Epochs);
    }

    /// <summary>The values of a trial, by the keys' paths.</summary>
    public IReadOnlyDictionary<string, string> ValuesOf(int trial) => Parameters
        .Zip(Trials[trial - 1].Values)
        .ToDictionary(pair => pair.First.Key.Value, pair => pair.Second);

    /// <summary>Of ranked outcomes the best; null: every trial failed.</summary>
    public static TrialOutcome? BestOf(ImmutableArray<TrialOutcome> ranked) =>
        ranked is [{ HasMetric: true } best, ..] ? best : null;

    /// <summary>The run that came to an outcome.</summary>
    public RunSpecification RunOf(TrialOutcome outcome) => RunOf(
        Trials[outcome.Trial - 1],
        Rounds.FirstOrDefault(round => round.Epochs == outcome.Epochs) ?? Rounds[^1]);

    /// <summary>Outcomes, the best first: with several rounds those of the last one, of these the
    /// ones with the best metric, of equal ones the lower number, and at the end those without a
    /// metric.</summary>
    public ImmutableArray<TrialOutcome> Ranked(IEnumerable<TrialOutcome> outcomes) =>
    [
        .. outcomes
            .OrderBy(outcome => !outcome.HasMetric)
            .ThenByDescending(outcome => Rounds.Length > 1 ? outcome.Epochs : 0)
            .ThenBy(outcome => StoppingState.GreaterIsBetter(Metric)
                ? -outcome.Metric
                : outcome.Metric)
            .ThenBy(outcome => outcome.Trial),
    ];

    /// <summary>The trials that the next round trains, by number.</summary>
    public ImmutableArray<SweepTrial> Survivors(
        SweepRound round, IEnumerable<TrialOutcome> outcomes) =>
    [
        .. Ranked(outcomes)
            .Where(outcome => outcome.HasMetric).Take(round.Survivors)
            .Select(outcome => Trials[outcome.Trial - 1]).OrderBy(trial => trial.Number),
    ];

    private static ImmutableArray<SweepTrial> TrialsOf(SweepSpecification sweep)
    {
        int count = sweep.Search switch
        {
            SweepSearch.Random random => random.Trials,
            SweepSearch.Halving halving => halving.Trials,
            _ => sweep.Parameters.Aggregate(1, (product, p) => product * p.Domain.All.Length),
        };
        var draws = new RandomStream(sweep.Seed, RandomPurpose.Sweep);
        return
        [
            .. Enumerable.Range(0, count).Select(trial => new SweepTrial(
                trial + 1,
                sweep.Search is SweepSearch.Grid
                    ? Combination(sweep.Parameters, trial)
                    : [.. sweep.Parameters.Select((p, i) => p.Domain.Draw(draws, trial, i))])),
        ];
    }

    private static ImmutableArray<string> Combination(
        ImmutableArray<SweptParameter> parameters, int trial)
    {
        var values = new string[parameters.Length];
        for (int i = parameters.Length - 1; i >= 0; i--)
        {
            ImmutableArray<string> all = parameters[i].Domain.All;
            values[i] = all[trial % all.Length];
            trial /= all.Length;
        }

        return [.. values];
    }

    private static ImmutableArray<SweepRound> RoundsOf(
        SweepSearch search, int trials, int epochs)
    {
        if (search is not SweepSearch.Halving halving)
        {
            return [new SweepRound(null, 0)];
        }

        var rounds = ImmutableArray.CreateBuilder<SweepRound>();
        long now = halving.FirstEpochs;
        for (int left = trials; now < epochs && left > 1; now *= halving.Reduction)
        {
            left = (left + halving.Reduction - 1) / halving.Reduction;
            rounds.Add(new SweepRound((int)now, left));
        }

        rounds.Add(new SweepRound(epochs, 0));
        return rounds.ToImmutable();
    }
}
