using System.Text.Json;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Optimizers;

/// <summary>Optimizers as the fixtures name them; what an option's absence means is left to the
/// record, so that its defaults are held against PyTorch's.</summary>
internal static class OptimizerFixtures
{
    /// <summary>Walks over given gradients.</summary>
    /// <param name="rules">How they become updates.</param>
    /// <param name="layout">One block.</param>
    /// <param name="initial">The first weights: the tensors one after the other.</param>
    /// <param name="gradients">One a step, laid out as the first weights.</param>
    /// <param name="stepsPerEpoch">Steps of an epoch, for averages.</param>
    /// <param name="after">Told after every step: its number, the gradient's norm, weights and
    /// state.</param>
    public static void Walk(
        UpdateRules rules, ParameterLayout layout, float[] initial, float[][] gradients,
        long stepsPerEpoch, Action<int, double, AlignedBuffer, AlignedBuffer> after)
    {
        using var pool = new ComputePool(1);
        var update = new ParameterUpdate(layout, 0, 1, rules, pool);
        var norms = new ParameterNorms(layout);
        using var weights = new AlignedBuffer(update.Length);
        using var gradient = new AlignedBuffer(update.Length);
        using var state = new AlignedBuffer(update.StateLength);
        Place(initial, layout, weights);
        var sums = new PieceSums[update.PieceCount];
        for (int step = 0; step < gradients.Length; step++)
        {
            Place(gradients[step], layout, gradient);
            update.Prepare(weights, measureWeights: false, gradient, sums);
            double norm = norms.GradientNorm(sums);
            var updateStep = new UpdateStep(
                step, rules.Optimizer.LearningRate, rules.Clipping.ScaleFor(norm), 1,
                rules.Averaging?.ShareOf(step, stepsPerEpoch));
            update.Apply(updateStep, gradient, weights, state, weights);
            after(step, norm, weights, state);
        }
    }

    /// <summary>The tensors of a vector, one after the other.</summary>
    public static double[] Parameters(ParameterLayout layout, ReadOnlySpan<float> vector)
    {
        var all = new List<double>();
        foreach (ParameterView view in layout.Views)
        {
            all.AddRange(vector.Slice(view.Offset, view.Length).ToArray().Select(w => (double)w));
        }

        return [.. all];
    }

    /// <summary>The optimizer of a case with <c>optimizer</c>, <c>learningRate</c> and
    /// <c>options</c>.</summary>
    public static Optimizer Read(JsonElement element)
    {
        string kind = element.GetProperty("optimizer").GetString()!;
        float rate = (float)element.GetProperty("learningRate").GetDouble();
        JsonElement options = element.GetProperty("options");
        var momentum = new Momentum { LearningRate = rate };
        var nesterov = new Nesterov { LearningRate = rate };
        var adagrad = new Adagrad { LearningRate = rate };
        var rmsProp = new RmsProp { LearningRate = rate };
        var adam = new Adam { LearningRate = rate };
        var adamW = new AdamW { LearningRate = rate };
        var lion = new Lion { LearningRate = rate };
        return kind switch
        {
            "sgd" => new Sgd { LearningRate = rate },
            "momentum" => momentum with { Factor = options.Number("factor", momentum.Factor) },
            "nesterov" => nesterov with { Factor = options.Number("factor", nesterov.Factor) },
            "adagrad" => adagrad with { Epsilon = options.Number("epsilon", adagrad.Epsilon) },
            "rmsprop" => rmsProp with
            {
                Alpha = options.Number("alpha", rmsProp.Alpha),
                Epsilon = options.Number("epsilon", rmsProp.Epsilon),
            },
            "adam" => adam with
            {
                Beta1 = options.Number("beta1", adam.Beta1),
                Beta2 = options.Number("beta2", adam.Beta2),
                Epsilon = options.Number("epsilon", adam.Epsilon),
            },
            "adamw" => adamW with
            {
                Beta1 = options.Number("beta1", adamW.Beta1),
                Beta2 = options.Number("beta2", adamW.Beta2),
                Epsilon = options.Number("epsilon", adamW.Epsilon),
                WeightDecay = options.Number("weightDecay", adamW.WeightDecay),
            },
            "lion" => lion with
            {
                Beta1 = options.Number("beta1", lion.Beta1),
                Beta2 = options.Number("beta2", lion.Beta2),
                WeightDecay = options.Number("weightDecay", lion.WeightDecay),
            },
            _ => throw new ArgumentException($"no optimizer is named '{kind}'"),
        };
    }

    private static void Place(float[] values, ParameterLayout layout, AlignedBuffer to)
    {
        int start = 0;
        foreach (ParameterView view in layout.Views)
        {
            values.AsSpan(start, view.Length).CopyTo(to.Span[view.Offset..]);
            start += view.Length;
        }
    }
}
