using System.Collections.Immutable;
using Backprop.Data.Generated;
using Backprop.Data.Sources;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Generated sets.</summary>
internal static class GeneratedSchema
{
    private const int MaxSamples = 10_000_000;
    private const int MaxNeurons = 10_000;

    private static readonly Key<long> Samples = Key.Required(
        "samples", new IntegerKind(1, MaxSamples), "how many samples");

    private static readonly Key<double> Noise = Key.Optional(
        "noise", Kinds.NotNegative, 0.0, "0",
        "standard deviation of what is added to each coordinate");

    private static readonly Key<ulong> Seed = Key.Optional(
        "seed", new SeedKind(), 0UL, "0",
        "what the samples are drawn from; the run's seed has no part in it");

    private static readonly Key<long> Inputs = Key.Required(
        "inputs", new IntegerKind(1, MaxNeurons), "how many features, uniform in [−1, 1)");

    private static readonly Key<ImmutableArray<long>> Layers = Key.Required(
        "layers", new ListKind<long>(new IntegerKind(1, MaxNeurons), "an array of integers"),
        "the teacher's neurons, layer by layer; the last layer's are the targets");

    private static readonly Key<double> WeightRange = Key.Optional(
        "weight-range", Kinds.Positive, 3.0, "3", "the teacher's weights are uniform in ± this");

    private static readonly Key<bool> Bias = Key.Optional(
        "bias", Kinds.Boolean, false, "false", "whether the teacher's neurons have biases");

    private static readonly Key<long> Arms = Key.Optional(
        "arms", new IntegerKind(2, 1000), 2L, "2", "how many arms: the classes");

    private static readonly Key<double> Turns = Key.Optional(
        "turns", Kinds.Positive, 1.0, "1", "how often an arm winds around the center");

    private static readonly Choice<GeneratedOptions> Kind = new(
        "generated set",
        new Section<GeneratedOptions>(
            "xor", "The four cases of exclusive or: classes 0 and 1.", [],
            _ => new GeneratedOptions.Xor()),
        new Section<GeneratedOptions>(
            "teacher", "What a network of sigmoid neurons with random weights makes of random "
            + "inputs.", [Samples, Inputs, Layers, WeightRange, Bias, Seed],
            k => new GeneratedOptions.Teacher(
                k.GetInt(Samples), k.GetInt(Inputs), [.. k.Get(Layers).Select(n => (int)n)],
                k.Get(Seed))
            {
                WeightRange = k.Get(WeightRange), Bias = k.Get(Bias),
            }),
        new Section<GeneratedOptions>(
            "moons", "Two half circles that reach into each other, one a class.",
            [Samples, Noise, Seed],
            k => new GeneratedOptions.TwoMoons(k.GetInt(Samples), k.Get(Noise), k.Get(Seed))),
        new Section<GeneratedOptions>(
            "spirals", "Spiral arms, one a class.", [Samples, Noise, Arms, Turns, Seed],
            k => new GeneratedOptions.Spirals(k.GetInt(Samples), k.Get(Noise), k.Get(Seed))
            {
                Arms = k.GetInt(Arms), Turns = k.Get(Turns),
            }));

    private static readonly Key<GeneratedOptions> Set =
        Key.Required("", Kind, "what is computed");

    /// <summary><c>generated { moons { ... } }</c>.</summary>
    public static Section<DataSource> Source { get; } = new(
        "generated", "A set that is computed: `generated { moons { samples = 500 } }`.", [Set],
        k => new DataSource.Generated(k.Get(Set)), Set);
}
