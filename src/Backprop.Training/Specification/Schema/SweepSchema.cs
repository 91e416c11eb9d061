using System.Collections.Immutable;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;
using Backprop.Training.Sweeps;

namespace Backprop.Training.Specification.Schema;

/// <summary>The specification of a sweep.</summary>
internal static class SweepSchema
{
    private const int MaxParameters = 64;
    private const int MaxReduction = 100;

    private static readonly Key<string> Name = Key.Required(
        "name", Kinds.Name, "what the sweep is called");

    private static readonly Key<Placed<string>> Run = Key.Required(
        "run", new PlacedKind<string>(new TextKind("the path of a run's specification")),
        "the run, relative to this file");

    private static readonly Key<ulong> Seed = Key.Optional(
        "seed", new SeedKind(), 0UL, "0", "random values come from it");

    private static readonly Key<Placed<string>> Path = Key.Required(
        "key",
        new PlacedKind<string>(new TextKind("a key's path in the run, in quotes if it has [ ]")),
        "the key");

    private static readonly Key<ImmutableArray<string>> Values = Key.Optional(
        "values", new ListKind<string>(new AnyScalarKind(), "an array of values"), [], "none",
        "the values to try");

    private static readonly Key<ImmutableArray<long>> Integers = Key.Optional(
        "integers", new ListKind<long>(new IntegerKind(int.MinValue), "two integers", 2), [],
        "none", "the least and the greatest of whole numbers to draw from");

    private static readonly Key<ImmutableArray<double>> Uniform = Key.Optional(
        "uniform", new ListKind<double>(Kinds.Number, "two numbers", 2), [], "none",
        "between which numbers to draw, each as likely as the others");

    private static readonly Key<ImmutableArray<double>> LogUniform = Key.Optional(
        "log-uniform", new ListKind<double>(Kinds.Positive, "two numbers above 0", 2), [], "none",
        "between which numbers to draw, by their logarithms: for learning rates and the like");

    private static readonly Section<SweptParameter> Parameter = new(
        "parameter", "A key whose value is looked for, and by exactly one of the other keys where.",
        [Path, Values, Integers, Uniform, LogUniform], BindParameter);

    private static readonly Key<ImmutableArray<SweptParameter>> Parameters = Key.Required(
        "parameters", new ListKind<SweptParameter>(Parameter, "an array of parameters"),
        "the keys whose values are looked for");

    private static readonly Key<long> Trials = Key.Required(
        "trials", new IntegerKind(1, SweepPlan.MaxTrials), "combinations to draw");

    private static readonly Key<long> Reduction = Key.Optional(
        "reduction", new IntegerKind(2, MaxReduction), 3L, "3",
        "one in so many goes on, for so many times the epochs");

    private static readonly Key<long> FirstEpochs = Key.Optional(
        "first-epochs", Kinds.Count, 1L, "1", "epochs of the first round");

    private static readonly Key<SweepSearch> Search = Key.Required(
        "search",
        new Choice<SweepSearch>(
            "search",
            new Section<SweepSearch>(
                "grid", "Every combination of listed values.", [], _ => new SweepSearch.Grid()),
            new Section<SweepSearch>(
                "random", "Values drawn independently.", [Trials],
                keys => new SweepSearch.Random(keys.GetInt(Trials)), Trials),
            new Section<SweepSearch>(
                "halving", "Drawn values, of which the better ones are trained longer.",
                [Trials, Reduction, FirstEpochs],
                keys => new SweepSearch.Halving(
                    keys.GetInt(Trials), keys.GetInt(Reduction), keys.GetInt(FirstEpochs)))),
        "which values are tried");

    public static Section<SweepSpecification> Sweep { get; } = new(
        "sweep", "A whole sweep.", [Name, Run, Seed, Parameters, Search], Bind);

    private static SweepSpecification Bind(KeyValues keys)
    {
        ImmutableArray<SweptParameter> parameters = keys.Get(Parameters);
        if (parameters.Length > MaxParameters)
        {
            keys.Refuse(
                Parameters, $"{parameters.Length} keys, where at most {MaxParameters} may be");
        }

        if (parameters.GroupBy(parameter => parameter.Key.Value)
            .FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            keys.Refuse(Parameters, $"'{twice.Key}' stands here {twice.Count()} times");
        }

        SweepSearch search = keys.Get(Search);
        if (search is SweepSearch.Grid)
        {
            RequireListed(keys, parameters);
        }

        return new SweepSpecification(
            keys.Get(Name), keys.Get(Run), keys.Get(Seed), parameters, search);
    }

    private static void RequireListed(KeyValues keys, ImmutableArray<SweptParameter> parameters)
    {
        double trials = 1;
        foreach (SweptParameter parameter in parameters)
        {
            if (parameter.Domain.All.IsDefault)
            {
                keys.Refuse(
                    Search, $"a grid has listed values only: give '{parameter.Key.Value}' "
                    + "'values', or let the search be random");
                return;
            }

            trials *= parameter.Domain.All.Length;
        }

        if (trials > SweepPlan.MaxTrials)
        {
            keys.Refuse(
                Search, $"these values have {trials:N0} combinations, where at most "
                + $"{SweepPlan.MaxTrials:N0} may be; random tries some of them");
        }
    }

    private static SweptParameter BindParameter(KeyValues keys)
    {
        Key[] domains = [Values, Integers, Uniform, LogUniform];
        Key[] given = [.. domains.Where(keys.Has)];
        if (given.Length != 1)
        {
            keys.Refuse(
                Path, $"exactly one of {string.Join(", ", domains.Select(key => key.Name))} says "
                + $"what to try, found {(given.Length == 0 ? "none" : $"{given.Length}")}");
            return new SweptParameter(keys.Get(Path), new SweepDomain.Listed([]));
        }

        return new SweptParameter(
            keys.Get(Path),
            given[0] == Values ? new SweepDomain.Listed(keys.Get(Values))
            : given[0] == Integers ? IntegersOf(keys)
            : given[0] == Uniform
                ? Range(keys, Uniform, (low, high) => new SweepDomain.Uniform(low, high))
                : Range(keys, LogUniform, (low, high) => new SweepDomain.LogUniform(low, high)));
    }

    private static SweepDomain.Integers IntegersOf(KeyValues keys)
    {
        ImmutableArray<long> bounds = keys.Get(Integers);
        if (bounds.Length != 2 || bounds[0] >= bounds[1])
        {
            keys.Refuse(Integers, "two integers, the least first, say what to draw from");
        }

        return new SweepDomain.Integers((int)bounds[0], (int)bounds[1]);
    }

    private static SweepDomain Range(
        KeyValues keys, Key<ImmutableArray<double>> key, Func<double, double, SweepDomain> domain)
    {
        ImmutableArray<double> bounds = keys.Get(key);
        if (bounds.Length != 2 || bounds[0] >= bounds[1])
        {
            keys.Refuse(key, "two numbers, the least first, say what to draw between");
        }

        return domain(bounds[0], bounds[1]);
    }

    // Whether a value suits its key, the run's own schema says.
    private sealed class AnyScalarKind : ScalarKind<string>
    {
        public override string Description => "a word, number or string";

        protected override bool TryParse(HoconScalar scalar, ValueCursor at, out string value)
        {
            value = scalar.Text;
            return true;
        }
    }
}
