using System.Collections.Immutable;
using Backprop.Engine.Losses;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Losses.</summary>
internal static class LossSchema
{
    private static readonly Key<double> Delta = Key.Optional(
        "delta", Kinds.Positive, 1.0, "1", "where the loss turns from squared to linear");

    private static readonly Key<double> Smoothing = Key.Optional(
        "label-smoothing", Kinds.FractionBelowOne, 0.0, "0",
        "the part of the target that is spread evenly over all classes");

    private static readonly Key<ClassWeights> Weights = Key.Optional(
        "class-weights", new ClassWeightsKind(), new ClassWeights(false, []), "all 1",
        "one weight for each class; `balanced`: samples / (classes · samples of the class), "
        + "counted in the training part");

    private static readonly Key<long?> PaddingToken = Key.Optional<long?>(
        "padding-token", Kinds.CountOrZero.As(n => (long?)n), null, "none",
        "where samples have a class at every position: the class of positions that stand for "
        + "nothing. They count neither in the loss nor in metrics. A sample's loss is the mean "
        + "over its own positions that count, 0 where there is none, and a batch's the mean over "
        + "samples, where PyTorch's `ignore_index` has one mean over all positions that count: so "
        + "what a sample adds to the gradient does not depend on the others");

    public static Choice<LossSpecification> Loss { get; } = new(
        "loss",
        Plain(
            "half-squared-error", "Σ (target − output)² / 2: the articles' error.",
            new HalfSquaredError()),
        Plain(
            "mean-squared-error", "The mean of (target − output)² over the outputs.",
            new MeanSquaredError()),
        Plain(
            "mean-absolute-error", "The mean of |target − output| over the outputs.",
            new MeanAbsoluteError()),
        new Section<LossSpecification>(
            "huber", "Squared for small errors, linear for large ones.", [Delta],
            k => new LossSpecification(new Huber(k.GetFloat(Delta)), false), Delta),
        Plain(
            "binary-cross-entropy", "Cross-entropy of independent outputs, which are logits: no "
            + "activation before it.", new BinaryCrossEntropy()),
        Plain(
            "binary-cross-entropy-on-probabilities", "The same, of outputs that are "
            + "probabilities, as a sigmoid makes them.", new BinaryCrossEntropyOnProbabilities()),
        new Section<LossSpecification>(
            "softmax-cross-entropy", "Cross-entropy of one class of several; outputs are logits: "
            + "no softmax before it.", [Smoothing, Weights, PaddingToken], BindSoftmax));

    private static Section<LossSpecification> Plain(string name, string meaning, Loss loss) =>
        new(name, meaning, [], _ => new LossSpecification(loss, false));

    private static LossSpecification BindSoftmax(KeyValues keys)
    {
        ClassWeights weights = keys.Get(Weights);
        return new LossSpecification(
            new SoftmaxCrossEntropy(
                keys.GetFloat(Smoothing), weights.Values, (int?)keys.Get(PaddingToken)),
            weights.IsBalanced);
    }

    /// <param name="IsBalanced">To be computed from the data.</param>
    /// <param name="Values">One for each class; empty: all 1.</param>
    private sealed record ClassWeights(bool IsBalanced, ImmutableArray<float> Values);

    private sealed class ClassWeightsKind : ValueKind<ClassWeights>
    {
        private static readonly ListKind<double> Values =
            new(Kinds.NotNegative, "an array of numbers, at least 0");

        public override string Description => "`balanced`, or an array of numbers, at least 0";

        public override bool TryRead(ValueCursor at, out ClassWeights value)
        {
            value = new ClassWeights(true, []);
            if (at.Value is HoconScalar { Text: "balanced" })
            {
                return true;
            }

            if (at.Value is not HoconArray)
            {
                return at.Fail($"expected {Description}, found {at.Value.Describe()}");
            }

            bool isRead = Values.TryRead(at, out ImmutableArray<double> weights);
            if (isRead && weights.All(weight => weight == 0))
            {
                return at.Fail("one of the weights must be above 0");
            }

            value = new ClassWeights(false, [.. weights.Select(weight => (float)weight)]);
            return isRead;
        }
    }
}
