using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine;
using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Generated;

/// <summary>Computes datasets.</summary>
public static class GeneratedDataset
{
    private const int MaxSamples = 1 << 26;
    private const int MaxWidth = 1 << 16;

    /// <summary>Computes a dataset.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; its name is that of
    /// the exception's parameter.</exception>
    public static InMemoryDataset Of(GeneratedOptions options) => options switch
    {
        GeneratedOptions.Xor => Xor(),
        GeneratedOptions.Teacher teacher => OfTeacher(teacher),
        GeneratedOptions.TwoMoons moons => OfMoons(moons),
        GeneratedOptions.Spirals spirals => OfSpirals(spirals),
        _ => throw new InvalidOperationException($"unknown generated dataset {options}"),
    };

    private static InMemoryDataset Xor() => new(
        "generated xor", Shape.Of(2), Numbered(2), [0, 0, 0, 1, 1, 0, 1, 1], [0, 1, 1, 0],
        ["a", "b"]);

    private static InMemoryDataset OfTeacher(GeneratedOptions.Teacher options)
    {
        RequireRange(options.Samples, MaxSamples, nameof(options.Samples));
        RequireRange(options.Inputs, MaxWidth, nameof(options.Inputs));
        RequireRange(options.Layers.Length, MaxWidth, nameof(options.Layers));
        foreach (int neurons in options.Layers)
        {
            RequireRange(neurons, MaxWidth, nameof(options.Layers));
        }

        RequireFinite(options.WeightRange, nameof(options.WeightRange));
        int widest = Math.Max(options.Inputs, options.Layers[^1]);
        RequireRange(options.Samples, Array.MaxLength / widest, nameof(options.Samples));
        var teacher = new TeacherNetwork(options);
        var random = new RandomStream(
            options.Seed, RandomPurpose.Generation, GenerationStreams.TeacherInputs);
        int outputs = options.Layers[^1];
        var features = new float[options.Samples * options.Inputs];
        var targets = new float[options.Samples * outputs];
        for (int sample = 0; sample < options.Samples; sample++)
        {
            Span<float> inputs = features.AsSpan(sample * options.Inputs, options.Inputs);
            for (int i = 0; i < inputs.Length; i++)
            {
                inputs[i] = (2 * random.Uniform((ulong)sample, (ulong)i)) - 1;
            }

            double[] values = teacher.Compute(inputs);
            for (int i = 0; i < outputs; i++)
            {
                targets[(sample * outputs) + i] = (float)values[i];
            }
        }

        return new InMemoryDataset(
            "generated teacher", Shape.Of(options.Inputs),
            new TargetSchema.Values([.. Numbers(outputs).Select(n => "y" + n)]),
            features, targets, [.. Numbers(options.Inputs).Select(n => "x" + n)]);
    }

    private static InMemoryDataset OfMoons(GeneratedOptions.TwoMoons options)
    {
        RequireRange(options.Samples, MaxSamples, nameof(options.Samples));
        RequireFinite(options.Noise, nameof(options.Noise));
        var angles = new RandomStream(
            options.Seed, RandomPurpose.Generation, GenerationStreams.MoonAngles);
        return OfPoints(
            "generated two moons", options.Samples, 2, options.Noise,
            new RandomStream(options.Seed, RandomPurpose.Generation, GenerationStreams.MoonNoise),
            (sample, moon) =>
            {
                double angle = Math.PI * angles.Uniform((ulong)sample, 0);
                double x = ExactMath.Cos(angle), y = ExactMath.Sin(angle);
                return moon == 0 ? (x, y) : (1 - x, 0.5 - y);
            });
    }

    private static InMemoryDataset OfSpirals(GeneratedOptions.Spirals options)
    {
        RequireRange(options.Samples, MaxSamples, nameof(options.Samples));
        RequireRange(options.Arms, MaxWidth, nameof(options.Arms));
        RequireFinite(options.Noise, nameof(options.Noise));
        RequireFinite(options.Turns, nameof(options.Turns));
        var radii = new RandomStream(
            options.Seed, RandomPurpose.Generation, GenerationStreams.SpiralRadii);
        return OfPoints(
            "generated spirals", options.Samples, options.Arms, options.Noise,
            new RandomStream(options.Seed, RandomPurpose.Generation, GenerationStreams.SpiralNoise),
            (sample, arm) =>
            {
                double radius = 1.0 - radii.Uniform((ulong)sample, 0);
                double turn = (options.Turns * radius) + ((double)arm / options.Arms);
                double angle = 2 * Math.PI * turn;
                return (radius * ExactMath.Cos(angle), radius * ExactMath.Sin(angle));
            });
    }

    private static InMemoryDataset OfPoints(
        string source, int samples, int classes, double deviation, RandomStream noise,
        Func<int, int, (double X, double Y)> point)
    {
        var features = new float[2 * samples];
        var labels = new float[samples];
        for (int sample = 0; sample < samples; sample++)
        {
            int label = sample % classes;
            (double x, double y) = point(sample, label);
            labels[sample] = label;
            features[2 * sample] =
                (float)(x + (deviation * noise.Normal((ulong)sample, 0)));
            features[(2 * sample) + 1] =
                (float)(y + (deviation * noise.Normal((ulong)sample, 1)));
        }

        return new InMemoryDataset(
            source, Shape.Of(2), Numbered(classes), features, labels, ["x", "y"]);
    }

    private static TargetSchema.Class Numbered(int classes) => new([.. Numbers(classes)]);

    private static IEnumerable<string> Numbers(int count) =>
        Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture));

    private static void RequireRange(int value, int max, string name)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, 1, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value, max, name);
    }

    private static void RequireFinite(double value, string name)
    {
        if (!double.IsFinite(value) || value < 0)
        {
            throw new ArgumentOutOfRangeException(name, value, "it is finite and not negative");
        }
    }
}
