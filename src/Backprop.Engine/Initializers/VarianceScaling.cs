using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>What a weight's variance is divided by.</summary>
public enum Fan
{
    /// <summary>The inputs that meet in one output.</summary>
    In,

    /// <summary>The mean of the inputs of an output and the outputs of an input.</summary>
    Average,
}

/// <summary>The shape of a distribution.</summary>
public enum Distribution
{
    /// <summary>Uniform in ±√3 standard deviations.</summary>
    Uniform,

    /// <summary>Normal.</summary>
    Normal,
}

/// <summary>
/// Weights around 0 of variance <paramref name="Scale"/> / fan: chosen so that signals neither
/// vanish nor explode from layer to layer.
/// </summary>
/// <param name="Scale">1 where activations keep the variance, 2 where they cut half of it off.
/// </param>
/// <param name="Fan">What the variance is divided by.</param>
/// <param name="Distribution">The distribution's shape.</param>
public sealed record VarianceScaling(double Scale, Fan Fan, Distribution Distribution) : Initializer
{
    /// <summary>Glorot and Bengio, "Understanding the difficulty of training deep feedforward
    /// neural networks", 2010, equation 16: ±√(6 / (inputs + outputs)).</summary>
    public static VarianceScaling XavierUniform { get; } =
        new(1, Fan.Average, Distribution.Uniform);

    /// <summary>As <see cref="XavierUniform"/>, normally distributed.</summary>
    public static VarianceScaling XavierNormal { get; } =
        new(1, Fan.Average, Distribution.Normal);

    /// <summary>He et al., "Delving deep into rectifiers", 2015, equation 10, uniformly
    /// distributed: ±√(6 / inputs).</summary>
    public static VarianceScaling HeUniform { get; } = new(2, Fan.In, Distribution.Uniform);

    /// <summary>He et al., equation 10: standard deviation √(2 / inputs).</summary>
    public static VarianceScaling HeNormal { get; } = new(2, Fan.In, Distribution.Normal);

    /// <summary>LeCun et al., "Efficient BackProp", 1998, equation 16, uniformly distributed:
    /// ±√(3 / inputs).</summary>
    public static VarianceScaling LeCunUniform { get; } = new(1, Fan.In, Distribution.Uniform);

    /// <summary>LeCun et al., equation 16: standard deviation 1 / √inputs.</summary>
    public static VarianceScaling LeCunNormal { get; } = new(1, Fan.In, Distribution.Normal);

    /// <inheritdoc/>
    public override void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination)
    {
        double fan = Fan == Fan.In ? fanIn : ((double)fanIn + fanOut) / 2;
        double variance = Scale / fan;
        if (Distribution == Distribution.Normal)
        {
            var normal = new Normal(0f, (float)Math.Sqrt(variance));
            normal.Fill(shape, fanIn, fanOut, random, destination);
        }
        else
        {
            float limit = (float)Math.Sqrt(3 * variance);
            new Uniform(-limit, limit).Fill(shape, fanIn, fanOut, random, destination);
        }
    }
}
