using System.Text.Json;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Tests.Fixtures;

namespace Backprop.Engine.Tests.Optimizers;

/// <summary>Optimizers as the fixtures name them; what an option's absence means is left to the
/// record, so that its defaults are held against PyTorch's.</summary>
internal static class OptimizerFixtures
{
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
}
