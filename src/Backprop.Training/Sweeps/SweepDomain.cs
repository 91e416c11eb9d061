using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Training.Sweeps;

/// <summary>The values that a key may be given, as they are written.</summary>
public abstract record SweepDomain
{
    // What is tried is read by people, and written into specifications.
    private const string Format = "G6";

    private SweepDomain()
    {
    }

    /// <summary>Every value; default: there are too many to list.</summary>
    public virtual ImmutableArray<string> All => default;

    /// <summary>A value for a number in [0, 1): a function of it alone, on every machine.</summary>
    public abstract string At(double uniform);

    /// <summary>The value of a trial.</summary>
    /// <param name="draws">The sweep's.</param>
    /// <param name="trial">The trial, from 0.</param>
    /// <param name="parameter">The key's place among the sweep's, from 0.</param>
    public string Draw(RandomStream draws, int trial, int parameter) =>
        At(draws.Uniform((ulong)trial, (ulong)parameter));

    private static string Text(double value) =>
        value.ToString(Format, CultureInfo.InvariantCulture);

    /// <summary>Listed values.</summary>
    /// <param name="Values">The values, as they stand in the file.</param>
    public sealed record Listed(ImmutableArray<string> Values) : SweepDomain
    {
        /// <inheritdoc/>
        public override ImmutableArray<string> All => Values;

        /// <inheritdoc/>
        public override string At(double uniform) => Values[(int)(uniform * Values.Length)];
    }

    /// <summary>Whole numbers from one to another, both included.</summary>
    /// <param name="Low">The least.</param>
    /// <param name="High">The greatest.</param>
    public sealed record Integers(int Low, int High) : SweepDomain
    {
        /// <inheritdoc/>
        public override string At(double uniform) =>
            (Low + (long)(uniform * ((long)High - Low + 1))).ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Numbers, each as likely as the others.</summary>
    /// <param name="Low">The least.</param>
    /// <param name="High">Not reached.</param>
    public sealed record Uniform(double Low, double High) : SweepDomain
    {
        /// <inheritdoc/>
        public override string At(double uniform) => Text(Low + (uniform * (High - Low)));
    }

    /// <summary>Positive numbers whose logarithms are each as likely as the others.</summary>
    /// <param name="Low">The least.</param>
    /// <param name="High">Not reached.</param>
    public sealed record LogUniform(double Low, double High) : SweepDomain
    {
        /// <inheritdoc/>
        public override string At(double uniform)
        {
            double low = ExactMath.Log(Low), high = ExactMath.Log(High);
            return Text(ExactMath.Exp(low + (uniform * (high - low))));
        }
    }
}
