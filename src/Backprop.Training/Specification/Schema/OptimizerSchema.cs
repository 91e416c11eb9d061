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

    public static Choice<Optimizer> Optimizer { get; } = new(
        "optimizer",
        new Section<Optimizer>(
            "sgd", "Gradient descent: the weight minus learning rate times gradient.", [Rate],
            k => new Sgd { LearningRate = k.GetFloat(Rate) }),
        new Section<Optimizer>(
            "momentum", "Gradient descent with a velocity (Polyak).", [Rate, Factor],
            k => new Momentum { LearningRate = k.GetFloat(Rate), Factor = k.Get(Factor) }),
        new Section<Optimizer>(
            "nesterov", "Momentum that looks ahead (Nesterov).", [Rate, Factor],
            k => new Nesterov { LearningRate = k.GetFloat(Rate), Factor = k.Get(Factor) }),
        new Section<Optimizer>(
            "adagrad", "Steps divided by the root of all squared gradients so far.",
            [Rate, AdagradEpsilon],
            k => new Adagrad { LearningRate = k.GetFloat(Rate), Epsilon = k.Get(AdagradEpsilon) }),
        new Section<Optimizer>(
            "rmsprop", "Steps divided by the root of the mean square of recent gradients.",
            [Rate, Alpha, Epsilon],
            k => new RmsProp
            {
                LearningRate = k.GetFloat(Rate), Alpha = k.Get(Alpha), Epsilon = k.Get(Epsilon),
            }),
        new Section<Optimizer>(
            "adam", "Momentum over root of the mean square, both bias-corrected.",
            [Rate, Beta1, Beta2, Epsilon],
            k => new Adam
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(Beta1), Beta2 = k.Get(Beta2),
                Epsilon = k.Get(Epsilon),
            }),
        new Section<Optimizer>(
            "adamw", "Adam with weight decay apart from the gradient.",
            [Rate, Beta1, Beta2, Epsilon, AdamWDecay],
            k => new AdamW
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(Beta1), Beta2 = k.Get(Beta2),
                Epsilon = k.Get(Epsilon), WeightDecay = k.Get(AdamWDecay),
            }),
        new Section<Optimizer>(
            "lion", "The sign of a mean gradient.", [Rate, LionBeta1, LionBeta2, LionDecay],
            k => new Lion
            {
                LearningRate = k.GetFloat(Rate), Beta1 = k.Get(LionBeta1),
                Beta2 = k.Get(LionBeta2), WeightDecay = k.Get(LionDecay),
            }));

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
}
