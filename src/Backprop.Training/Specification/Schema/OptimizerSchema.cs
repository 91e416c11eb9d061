using System.Collections.Immutable;
using Backprop.Engine.Optimizers;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>The update rules.</summary>
internal static class OptimizerSchema
{
    private static readonly Key<double> Rate = Key.Required(
        "learning-rate", Kinds.Positive, "step size, which the schedule multiplies");

    private static readonly Key<double> Factor = Key.Optional(
        "factor", Kinds.FractionBelowOne, 0.9, "0.9", "how much of the velocity a step keeps");

    private static readonly Key<double> Beta1 = Key.Optional(
        "beta1", Kinds.FractionBelowOne, 0.9, "0.9",
        "how much of the mean gradient a step keeps");

    private static readonly Key<double> Beta2 = Key.Optional(
        "beta2", Kinds.FractionBelowOne, 0.999, "0.999",
        "how much of the mean square a step keeps");

    private static readonly Key<double> LionBeta1 = Key.Optional(
        "beta1", Kinds.FractionBelowOne, 0.9, "0.9",
        "weight of the mean gradient in the step's sign");

    private static readonly Key<double> LionBeta2 = Key.Optional(
        "beta2", Kinds.FractionBelowOne, 0.99, "0.99",
        "how much of the mean gradient a step keeps");

    private static readonly Key<double> Alpha = Key.Optional(
        "alpha", Kinds.FractionBelowOne, 0.99, "0.99",
        "how much of the mean square a step keeps");

    private static readonly Key<double> Epsilon = Key.Optional(
        "epsilon", Kinds.Positive, 1e-8, "1e-8", "keeps the quotient finite");

    private static readonly Key<double> AdagradEpsilon = Key.Optional(
        "epsilon", Kinds.Positive, 1e-10, "1e-10", "keeps the quotient finite");

    private static readonly Key<double> AdamWDecay = Key.Optional(
        "weight-decay", Kinds.NotNegative, 0.01, "0.01",
        "part of each weight, times the learning rate, that a step takes away");

    private static readonly Key<double> LionDecay = Key.Optional(
        "weight-decay", Kinds.NotNegative, 0.0, "0",
        "part of each weight, times the learning rate, that a step takes away");

    private static readonly Key<ImmutableArray<Placed<string>>> GroupLayers = Key.Required(
        "layers", new ListKind<Placed<string>>(
            new PlacedKind<string>(new TextKind(
                "a layer's name, in which `*` stands for any characters",
                text => text.All(
                    c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '*'))),
            "an array of layers' names, in which `*` stands for any characters", acceptsOne: true),
        "the layers: a name, or a block's name for all in it; in `describe` they are listed. A "
        + "pattern that matches none with trained parameters is a mistake; of several groups that "
        + "match a layer the first holds");

    private static readonly Key<double> RateFactor = Key.Optional(
        "learning-rate-factor", Kinds.Positive, 1.0, "1",
        "what the learning rate is multiplied by, schedule and all; `trainable = false` in a layer "
        + "leaves it as it is");

    private static readonly Key<double?> GroupDecay = Key.Optional<double?>(
        "weight-decay", Kinds.NotNegative.As(n => (double?)n), null, "the optimizer's",
        "the weight decay here, of `adamw` and `lion`. Biases and the scales and shifts of "
        + "normalizations never decay, so no group is needed for them; an embedding does");

    private static readonly Key<ImmutableArray<GroupSpecification>> Groups = Key.Optional(
        "groups", new ListKind<GroupSpecification>(
            new Section<GroupSpecification>(
                "groups", "Layers that are trained otherwise than the rest, in an optimizer.",
                [GroupLayers, RateFactor, GroupDecay], BindGroup),
            "an array of groups of layers"),
        [], "none", "layers with a learning rate or a weight decay of their own");

    public static Choice<OptimizerSpecification> Optimizer { get; } = new(
        "optimizer",
        new Section<OptimizerSpecification>(
            "sgd", "Gradient descent: the weight minus learning rate times gradient.",
            [Rate, Groups],
            k => Bind(k, new Sgd { LearningRate = k.GetFloat(Rate) })),
        new Section<OptimizerSpecification>(
            "momentum", "Gradient descent with a velocity (Polyak).", [Rate, Factor, Groups],
            k => Bind(
                k, new Momentum { LearningRate = k.GetFloat(Rate), Factor = k.Get(Factor) })),
        new Section<OptimizerSpecification>(
            "nesterov", "Momentum that looks ahead (Nesterov).", [Rate, Factor, Groups],
            k => Bind(
                k, new Nesterov { LearningRate = k.GetFloat(Rate), Factor = k.Get(Factor) })),
        new Section<OptimizerSpecification>(
            "adagrad", "Steps divided by the root of all squared gradients so far.",
            [Rate, AdagradEpsilon, Groups],
            k => Bind(k, new Adagrad
            {
                LearningRate = k.GetFloat(Rate), Epsilon = k.Get(AdagradEpsilon),
            })),
        new Section<OptimizerSpecification>(
            "rmsprop", "Steps divided by the root of the mean square of recent gradients.",
            [Rate, Alpha, Epsilon, Groups],
            k => Bind(k, new RmsProp
            {
                LearningRate = k.GetFloat(Rate), Alpha = k.Get(Alpha), Epsilon = k.Get(Epsilon),
            })),
        new Section<OptimizerSpecification>(
            "adam", "Momentum over root of the mean square, both bias-corrected.",
            [Rate, Beta1, Beta2, Epsilon, Groups],
            k => Bind(k, new Adam
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(Beta1), Beta2 = k.Get(Beta2),
                Epsilon = k.Get(Epsilon),
            })),
        new Section<OptimizerSpecification>(
            "adamw", "Adam with weight decay apart from the gradient.",
            [Rate, Beta1, Beta2, Epsilon, AdamWDecay, Groups],
            k => Bind(k, new AdamW
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(Beta1), Beta2 = k.Get(Beta2),
                Epsilon = k.Get(Epsilon), WeightDecay = k.Get(AdamWDecay),
            })),
        new Section<OptimizerSpecification>(
            "lion", "The sign of a mean gradient.",
            [Rate, LionBeta1, LionBeta2, LionDecay, Groups],
            k => Bind(k, new Lion
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(LionBeta1),
                Beta2 = k.Get(LionBeta2), WeightDecay = k.Get(LionDecay),
            })));

    private static GroupSpecification BindGroup(KeyValues keys)
    {
        ImmutableArray<Placed<string>> layers = keys.Get(GroupLayers);
        return new GroupSpecification(
            new ParameterGroup([.. layers.Select(layer => layer.Value)])
            {
                LearningRateFactor = keys.Get(RateFactor), WeightDecay = keys.Get(GroupDecay),
            },
            [.. layers.Select(layer => layer.Place)]);
    }

    private static OptimizerSpecification Bind(KeyValues keys, Optimizer optimizer)
    {
        ImmutableArray<GroupSpecification> groups = keys.Get(Groups);
        if (optimizer is not (AdamW or Lion)
            && groups.Any(group => group.Group.WeightDecay is not null))
        {
            keys.Refuse(
                Groups, $"weight-decay is a key of adamw and lion; with {optimizer.Name} large "
                + "weights cost a penalty { l2 = ... }, everywhere the same");
        }

        return new OptimizerSpecification(optimizer, groups);
    }

    private static readonly Key<double> L1 = Key.Optional(
        "l1", Kinds.NotNegative, 0.0, "0", "factor of the weights' absolute values");

    private static readonly Key<double> L2 = Key.Optional(
        "l2", Kinds.NotNegative, 0.0, "0", "factor of the weights' halved squares");

    public static Section<Penalty> Penalty { get; } = new(
        "penalty", "A penalty on the size of the weights (biases and scales go free), "
        + "part of the objective.", [L1, L2],
        k => new Penalty(k.GetFloat(L1), k.GetFloat(L2)));

    private static readonly Key<double?> ByValue = Key.Optional<double?>(
        "value", Kinds.Positive.As(v => (double?)v), null, "none",
        "each element of the gradient is kept within this distance of 0");

    private static readonly Key<double?> ByNorm = Key.Optional<double?>(
        "norm", Kinds.Positive.As(v => (double?)v), null, "none",
        "the whole gradient is scaled down to this L2 norm; after `value`");

    public static Section<Clipping> Clipping { get; } = new(
        "clip", "Limits on the gradient, after penalties and before the optimizer.",
        [ByValue, ByNorm],
        k => new Clipping((float?)k.Get(ByValue), (float?)k.Get(ByNorm)));

    private static readonly Key<double> Decay = Key.Optional(
        "decay", Kinds.OpenFraction, 0.999, "0.999",
        "how much of the average a step keeps: it goes back some 1 / (1 - decay) steps");

    private static readonly Key<long> FromEpoch = Key.Required(
        "from-epoch", Kinds.Count, "the first epoch, from 1, whose weights at its end are counted");

    private static readonly Key<bool> Evaluate = Key.Optional(
        "evaluate", new WordKind<bool>(("weights", false), ("average", true)), false, "weights",
        "what is evaluated at the end of each epoch, and looked at by patience, target and plateau "
        + "schedules");

    public static Choice<Averaging?> Averaging { get; } = new(
        "averaging",
        new Section<Averaging?>(
            "exponential", "An exponential moving average: after every step it keeps `decay` of "
            + "itself and takes the rest from the new weights; the first step's weights are taken "
            + "as they are.", [Decay, Evaluate],
            k => new ExponentialAveraging(k.Get(Decay)) { EvaluatesEpochs = k.Get(Evaluate) },
            Decay),
        new Section<Averaging?>(
            "stochastic", "The mean of the weights at the ends of epochs (stochastic weight "
            + "averaging); before the first of them, the latest weights. An epoch that is cut "
            + "short is not counted.", [FromEpoch, Evaluate],
            k => new StochasticAveraging(k.Get(FromEpoch)) { EvaluatesEpochs = k.Get(Evaluate) },
            FromEpoch));
}

/// <summary>An optimizer as it is asked for.</summary>
/// <param name="Optimizer">The update rule.</param>
/// <param name="Groups">Layers that are trained otherwise than the rest.</param>
internal sealed record OptimizerSpecification(
    Optimizer Optimizer, ImmutableArray<GroupSpecification> Groups);
