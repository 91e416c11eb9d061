using System.Collections.Immutable;
using Backprop.Engine.Gradients;
using Backprop.Engine.Losses;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Networks;

/// <summary>One parameter whose two gradients were compared.</summary>
/// <param name="Element">Its index in the tensor, row-major.</param>
/// <param name="Analytic">What backpropagation computes, in single precision.</param>
/// <param name="Numeric">The central difference of the double-precision loss.</param>
/// <param name="RelativeError">|analytic − numeric| over the larger of the two, or over a hundredth
/// of the tensor's largest numeric gradient where that is larger still; 0 where the difference is
/// below two millionths of the largest gradient of the layer's parameters. Single precision cannot
/// resolve sums that cancel, such as the bias before a batch normalization, which changes nothing.
/// </param>
public readonly record struct CheckedElement(
    int Element, double Analytic, double Numeric, double RelativeError);

/// <summary>How one parameter tensor came out of a gradient check.</summary>
/// <param name="Name">The tensor, for example <c>dense1.weight</c>.</param>
/// <param name="Length">Its elements.</param>
/// <param name="Checked">Elements compared.</param>
/// <param name="Skipped">Elements looked at but not compared, since the loss has a kink there (a
/// rectifier at 0, an absolute error of 0) and no derivative.</param>
/// <param name="Worst">The element with the largest relative error; null: none was
/// compared.</param>
public sealed record TensorGradientCheck(
    string Name, int Length, int Checked, int Skipped, CheckedElement? Worst)
{
    /// <summary>The largest relative error; 0 where none was compared.</summary>
    public double MaxRelativeError => Worst?.RelativeError ?? 0;
}

/// <summary>
/// Holds the gradients of the executor against central differences,
/// dE/dw ≈ (E(w + h) − E(w − h)) / 2h, of the network's double-precision definition. The two share
/// no arithmetic. Frozen parameters have no gradient and running statistics none either: neither is
/// checked. A recurrent layer's truncated gradient is that of a loss in which the states at its
/// cuts are constants, and is held against differences of that loss.
/// </summary>
public static class GradientCheck
{
    private const double FirstStep = 1e-5;
    private const int Steps = 4;

    // Relative difference of the two one-sided slopes beyond which a kink lies between them.
    private const double KinkTolerance = 1e-4;

    // Relative error that a loss in double precision may carry.
    private const double LossRounding = 1e-15;

    private const double FloorShare = 0.01;

    // Of the layer's largest gradient: what the roundings of a sum in single precision amount to.
    private const double Resolution = 2e-6;

    /// <summary>Checks every trainable tensor.</summary>
    /// <param name="network">The network.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="weights">Where to check.</param>
    /// <param name="batch">All rows of the global batch.</param>
    /// <param name="work">The step, its randomness, and the micro-batches.</param>
    /// <param name="elementsPerTensor">The most elements to look at in a tensor, spread over it and
    /// drawn by the step's seed; null: all.</param>
    /// <param name="pool">The threads that the executor computes with.</param>
    /// <exception cref="ArgumentException">Batch, step, weights and network do not fit each other.
    /// </exception>
    public static ImmutableArray<TensorGradientCheck> Run(
        Network network, LossSum loss, AlignedBuffer weights, Batch batch, in StepWork work,
        int? elementsPerTensor, ComputePool pool)
    {
        int microBatches = work.MicroBatches.Count;
        var reference = new ReferenceNetwork(network, loss, weights, batch, work);
        reference.ComputeLoss();
        reference.HoldsConstants = true;
        using var executor = new NetworkExecutor(
            network, loss, batch.Rows, microBatches, pool);
        using var gradients = new GradientSet(network.Layout, 0, microBatches, microBatches);
        executor.UseWeights(weights);
        executor.ComputeGradients(batch, work, gradients, listener: null);

        var results = ImmutableArray.CreateBuilder<TensorGradientCheck>();
        for (int index = 0; index < network.Layout.Views.Length; index++)
        {
            ParameterView view = network.Layout.Views[index];
            ParameterDeclaration declaration = view.Declaration;
            if (declaration.Trainable && declaration.Role != ParameterRole.Statistic)
            {
                var stream = new RandomStream(
                    work.Seed, RandomPurpose.GradientCheck, (uint)index);
                ReadOnlySpan<float> gradient = gradients.Gradient(0).Span;
                results.Add(CheckTensor(
                    reference, view, gradient.Slice(view.Offset, view.Length),
                    Resolution * LargestOfLayer(network.Layout, view.LayerIndex, gradient),
                    Choose(view.Length, elementsPerTensor ?? view.Length, stream)));
            }
        }

        return results.ToImmutable();
    }

    // One element out of each of so many equal stretches of the tensor.
    private static IEnumerable<int> Choose(int length, int count, RandomStream stream)
    {
        if (count >= length)
        {
            return Enumerable.Range(0, length);
        }

        return Enumerable.Range(0, count).Select(i =>
        {
            int start = (int)((long)length * i / count);
            int end = (int)((long)length * (i + 1) / count);
            return start + (int)((end - start) * (double)stream.Uniform(0, (ulong)i));
        });
    }

    private static TensorGradientCheck CheckTensor(
        ReferenceNetwork reference, ParameterView view, ReadOnlySpan<float> analytic,
        double resolution, IEnumerable<int> elements)
    {
        var compared = new List<CheckedElement>();
        int skipped = 0;
        double largest = 0;
        foreach (int element in elements)
        {
            if (Differentiate(reference, view, element) is double numeric)
            {
                compared.Add(new CheckedElement(element, analytic[element], numeric, 0));
                largest = Math.Max(largest, Math.Abs(numeric));
            }
            else
            {
                skipped++;
            }
        }

        CheckedElement? worst = null;
        foreach (CheckedElement element in compared)
        {
            double error = RelativeError(element, resolution, FloorShare * largest);
            if (worst is null || error > worst.Value.RelativeError)
            {
                worst = element with { RelativeError = error };
            }
        }

        return new TensorGradientCheck(view.Name, view.Length, compared.Count, skipped, worst);
    }

    private static double LargestOfLayer(
        ParameterLayout layout, int layer, ReadOnlySpan<float> gradient)
    {
        double largest = 0;
        foreach (ParameterView view in layout.Views)
        {
            if (view.LayerIndex == layer && view.Declaration.Role != ParameterRole.Statistic)
            {
                foreach (float value in gradient.Slice(view.Offset, view.Length))
                {
                    largest = Math.Max(largest, Math.Abs(value));
                }
            }
        }

        return largest;
    }

    private static double RelativeError(
        in CheckedElement element, double resolution, double floor)
    {
        double difference = Math.Abs(element.Analytic - element.Numeric);
        if (!double.IsFinite(difference))
        {
            return double.PositiveInfinity;
        }

        double size = Math.Max(
            floor, Math.Max(Math.Abs(element.Analytic), Math.Abs(element.Numeric)));
        return difference <= resolution ? 0 : difference / size;
    }

    // The central difference, with a step short enough that no kink lies inside it; null where
    // there is one at the very point.
    private static double? Differentiate(
        ReferenceNetwork reference, ParameterView view, int element)
    {
        int node = view.LayerIndex;
        ref double weight = ref reference.Weights[view.Offset + element];
        double value = weight;
        double middle = reference.ComputeLoss(node);
        double? derivative = null;
        double step = FirstStep * Math.Max(1, Math.Abs(value));
        for (int i = 0; i < Steps && derivative is null; i++, step /= 10)
        {
            weight = value + step;
            double above = reference.ComputeLoss(node);
            weight = value - step;
            double below = reference.ComputeLoss(node);
            derivative = Slope(below, middle, above, step);
        }

        weight = value;
        reference.ComputeLoss(node);
        return derivative;
    }

    private static double? Slope(double below, double middle, double above, double step)
    {
        // Not a kink, but a failure that must be seen.
        if (!double.IsFinite(below + middle + above))
        {
            return double.NaN;
        }

        double left = (middle - below) / step, right = (above - middle) / step;

        // What the rounding of the losses alone can do to a one-sided slope.
        double rounding = LossRounding * Math.Abs(middle) / step;
        double size = Math.Max(Math.Abs(left), Math.Abs(right));
        bool smooth = Math.Abs(left - right) <= KinkTolerance * size + rounding;
        return smooth ? (above - below) / (2 * step) : null;
    }
}
