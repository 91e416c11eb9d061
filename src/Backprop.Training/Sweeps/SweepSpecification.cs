using System.Collections.Immutable;
using Backprop.Training.Specification;

namespace Backprop.Training.Sweeps;

/// <summary>What a sweep looks for: the values of some keys of a run with which it does best.
/// </summary>
/// <param name="Name">The sweep's, and the first part of its trials' names.</param>
/// <param name="Run">The file of the run, relative to the sweep's.</param>
/// <param name="Seed">What random values are drawn with.</param>
/// <param name="Parameters">The keys, each once.</param>
/// <param name="Search">Which values are tried.</param>
public sealed record SweepSpecification(
    string Name, Placed<string> Run, ulong Seed, ImmutableArray<SweptParameter> Parameters,
    SweepSearch Search)
{
    /// <summary>The text that stands alone: with every include in place.</summary>
    public string ResolvedText { get; init; } = "";
}

/// <summary>A key whose value is looked for.</summary>
/// <param name="Key">Its path in the run, such as <c>optimizer.adam.learning-rate</c> or
/// <c>model[0].dense.units</c>.</param>
/// <param name="Domain">The values that may be tried.</param>
public sealed record SweptParameter(Placed<string> Key, SweepDomain Domain);

/// <summary>Which values are tried.</summary>
public abstract record SweepSearch
{
    private SweepSearch()
    {
    }

    /// <summary>Every combination of listed values, the last key's changing fastest.</summary>
    public sealed record Grid : SweepSearch;

    /// <summary>Values drawn independently. Bergstra and Bengio, "Random search for hyper-parameter
    /// optimization", JMLR 2012.</summary>
    /// <param name="Trials">How many combinations.</param>
    public sealed record Random(int Trials) : SweepSearch;

    /// <summary>Successive halving: values drawn as by <see cref="Random"/> are tried for few
    /// epochs, the best of them for more, until few are left that are trained for all. Jamieson and
    /// Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
    /// AISTATS 2016.</summary>
    /// <param name="Trials">How many combinations to begin with.</param>
    /// <param name="Reduction">One in so many goes on, for so many times the epochs.</param>
    /// <param name="FirstEpochs">Epochs of the first round.</param>
    public sealed record Halving(int Trials, int Reduction, int FirstEpochs) : SweepSearch;
}
