using System.Collections.Immutable;

namespace Backprop.Data.Generated;

/// <summary>A dataset that is computed: the same numbers for the same options, everywhere.
/// </summary>
public abstract record GeneratedOptions
{
    private GeneratedOptions()
    {
    }

    /// <summary>The four cases of exclusive or, which no single layer can tell apart: two features,
    /// 0 or 1; the classes <c>0</c> and <c>1</c>.</summary>
    public sealed record Xor : GeneratedOptions;

    /// <summary>What a network of sigmoid neurons with random weights, the teacher, makes of random
    /// inputs: another network, the student, learns to mimic it.</summary>
    /// <param name="Samples">How many samples.</param>
    /// <param name="Inputs">How many features, uniform in [−1, 1).</param>
    /// <param name="Layers">Neurons of each layer; the last layer's are the targets.</param>
    /// <param name="Seed">What weights and inputs are drawn from.</param>
    public sealed record Teacher(
        int Samples, int Inputs, ImmutableArray<int> Layers, ulong Seed) : GeneratedOptions
    {
        /// <summary>Weights are uniform in ± this.</summary>
        public double WeightRange { get; init; } = 3;

        /// <summary>Whether neurons have biases, drawn as weights are.</summary>
        public bool Bias { get; init; }
    }

    /// <summary>Two half circles of radius 1 that reach into each other, one a class: the first
    /// around (0, 0), above; the second around (1, 0.5), below. Samples alternate.</summary>
    /// <param name="Samples">How many samples.</param>
    /// <param name="Noise">Standard deviation of what is added to each coordinate.</param>
    /// <param name="Seed">What samples are drawn from.</param>
    public sealed record TwoMoons(int Samples, double Noise, ulong Seed) : GeneratedOptions;

    /// <summary>Spiral arms around (0, 0) with radii up to 1, one a class. Samples take turns.
    /// </summary>
    /// <param name="Samples">How many samples.</param>
    /// <param name="Noise">Standard deviation of what is added to each coordinate.</param>
    /// <param name="Seed">What samples are drawn from.</param>
    public sealed record Spirals(int Samples, double Noise, ulong Seed) : GeneratedOptions
    {
        /// <summary>How many arms.</summary>
        public int Arms { get; init; } = 2;

        /// <summary>How often an arm winds around the center.</summary>
        public double Turns { get; init; } = 1;
    }
}
