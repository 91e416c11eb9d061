using Backprop.Engine.Losses;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Losses;

public sealed unsafe class LossTests : IDisposable
{
    private static readonly int[] Widths = [2, 7, 16, 50];

    private readonly ComputePool _one = new(1);
    private readonly ComputePool _three = new(3);

    public void Dispose()
    {
        _one.Dispose();
        _three.Dispose();
    }

    [Fact]
    public void GradientsAreTheCentralDifferencesOfTheReference()
    {
        const double Step = 1e-5;
        foreach ((Loss loss, LossTrial trial) in Trials(rows: 3))
        {
            float[] gradient = trial.Compute(loss, _one, 1).Gradient;
            for (int i = 0; i < gradient.Length; i++)
            {
                int row = i / trial.Width;
                double[] outputs = trial.RowOutputs(row);
                outputs[i % trial.Width] += Step;
                double above = trial.Reference(loss, row, outputs);
                outputs[i % trial.Width] -= 2 * Step;
                double below = trial.Reference(loss, row, outputs);
                double slope = (above - below) / (2 * Step);
                Assert.True(
                    Math.Abs(slope - gradient[i]) <= 2e-6 * (1 + Math.Abs(slope)),
                    $"{loss} of {trial.Width}, element {i}: {gradient[i]} is not {slope}");
            }
        }
    }

    [Fact]
    public void RowLossesAreThoseOfTheReference()
    {
        foreach ((Loss loss, LossTrial trial) in Trials(rows: 3))
        {
            float[] rowLosses = trial.Compute(loss, _one, 1).RowLosses;
            for (int row = 0; row < trial.Rows; row++)
            {
                double expected = trial.Reference(loss, row, trial.RowOutputs(row));
                Assert.Equal(expected, rowLosses[row], 1e-6 * (1 + expected));
            }
        }
    }

    [Fact]
    public void TheScaleIsTheGradientsAlone()
    {
        foreach ((Loss loss, LossTrial trial) in Trials(rows: 3))
        {
            (float[] rowLosses, float[] gradient) = trial.Compute(loss, _one, 1);
            (float[] sameLosses, float[] scaled) = trial.Compute(loss, _one, 1f / 128);
            Assert.Equal(rowLosses, sameLosses);
            Assert.Equal(gradient.Select(x => x / 128), scaled);
            Assert.Equal(rowLosses, trial.ComputeLossesOnly(loss, _one));
        }
    }

    [Fact]
    public void RowsDependNeitherOnThreadsNorOnTheRowsBesideThem()
    {
        const float Scale = 1f / 601;
        foreach ((Loss loss, LossTrial trial) in Trials(rows: 601))
        {
            (float[] rowLosses, float[] gradient) = trial.Compute(loss, _one, Scale);
            (float[] threeLosses, float[] threeGradient) = trial.Compute(loss, _three, Scale);
            Assert.Equal(rowLosses, threeLosses);
            Assert.Equal(gradient, threeGradient);
            int row = 437, targetWidth = loss.TargetWidth(Shape.Of(trial.Width));
            var alone = new LossTrial(
                1, trial.Width, trial.Outputs.AsSpan(row * trial.Width, trial.Width).ToArray(),
                trial.Targets.AsSpan(row * targetWidth, targetWidth).ToArray());
            (float[] loneLoss, float[] loneGradient) = alone.Compute(loss, _one, Scale);
            Assert.Equal(rowLosses[row], loneLoss[0]);
            Assert.Equal(
                gradient.AsSpan(row * trial.Width, trial.Width).ToArray(), loneGradient);
        }
    }

    [Fact]
    public void ElementLossesAreTheSameBitsAtEveryWidth()
    {
        AssertSameAtEveryWidth(new HalfSquaredError(), default(HalfSquaredErrorElement), 1);
        AssertSameAtEveryWidth(new MeanSquaredError(), default(MeanSquaredErrorElement));
        AssertSameAtEveryWidth(new MeanAbsoluteError(), default(MeanAbsoluteErrorElement));
        AssertSameAtEveryWidth(new Huber(0.5f), new HuberElement(0.5f));
        AssertSameAtEveryWidth(new BinaryCrossEntropy(), default(BinaryCrossEntropyElement));
        AssertSameAtEveryWidth(
            new BinaryCrossEntropyOnProbabilities(),
            default(BinaryCrossEntropyOnProbabilitiesElement));
    }

    [Fact]
    public void SoftmaxCrossEntropyIsTheSameBitsAtEveryWidth()
    {
        foreach (int width in Widths)
        {
            foreach (var loss in LossTrial.Losses(width).OfType<SoftmaxCrossEntropy>())
            {
                var trial = LossTrial.For(loss, 5, width);
                (float[] expected, float[] expectedGradient) = trial.Compute(loss, _one, 0.25f);
                float[] rowLosses = new float[5], gradient = new float[5 * width];
                fixed (float* o = trial.Outputs, t = trial.Targets, l = rowLosses, g = gradient,
                    w = loss.ClassWeights.AsSpan())
                {
                    var body = new SoftmaxCrossEntropyRows
                    {
                        Outputs = o,
                        Targets = t,
                        Rows = 5,
                        Width = width,
                        SoftTargets = loss.SoftTargets,
                        ClassWeights = w,
                        Terms = new SmoothingTerms(
                            loss.LabelSmoothing, loss.ClassWeights.AsSpan(), width),
                        Scale = 0.25f,
                        RowLosses = l,
                        Gradient = g,
                    };
                    foreach (SimdWidth simdWidth in SimdWidths.All)
                    {
                        body.Run(simdWidth, 0, 1);
                        Assert.Equal(expected, rowLosses);
                        Assert.Equal(expectedGradient, gradient);
                    }
                }
            }
        }
    }

    [Fact]
    public void ExtremeLogitsGiveFiniteLossesAndGradients()
    {
        float[] logits = [1e4f, -1e4f, 0, 1e4f];
        foreach (Loss loss in LossTrial.Losses(4).Where(
            loss => loss is SoftmaxCrossEntropy or BinaryCrossEntropy))
        {
            float[] targets = loss.Target == TargetKind.ClassIndex ? [1] : [0, 1, 1, 1];
            (float[] rowLosses, float[] gradient) =
                new LossTrial(1, 4, logits, targets).Compute(loss, _one, 1);
            Assert.All(gradient, x => Assert.True(float.IsFinite(x)));
            Assert.InRange(rowLosses[0], 1e3f, 1e5f);
        }
    }

    [Fact]
    public void CertainAnswersOnLogitsCostWhatIsLeftAndNotNothing()
    {
        // −ln sigmoid(20): a difference of softplus(20) and 20 would be 0.
        var trial = new LossTrial(1, 2, [20, -20], [1, 0]);
        Assert.Equal(2.0611536e-9f, trial.Compute(new BinaryCrossEntropy(), _one, 1).RowLosses[0]);
    }

    [Fact]
    public void SaturatedProbabilitiesAreLimitedAsInPyTorch()
    {
        var loss = new BinaryCrossEntropyOnProbabilities();
        var trial = new LossTrial(1, 4, [0, 1, 0, 1], [1, 0, 0, 1]);
        (float[] rowLosses, float[] gradient) = trial.Compute(loss, _one, 1);
        Assert.Equal(50, rowLosses[0]);
        Assert.Equal([-0.25e12f, 0.25e12f, 0, 0], gradient);
        Assert.Equal(50, trial.Reference(loss, 0, trial.RowOutputs(0)));
    }

    [Fact]
    public void ValuesThatAreNoNumbersAreSeenInTheLoss()
    {
        foreach (Loss loss in LossTrial.Losses(3))
        {
            float[] targets = loss.Target == TargetKind.ClassIndex ? [1] : [0, 1, 1];
            var trial = new LossTrial(1, 3, [0.5f, float.NaN, 0.5f], targets);
            Assert.True(float.IsNaN(trial.Compute(loss, _one, 1).RowLosses[0]), loss.Name);
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(0.5f)]
    [InlineData(float.NaN)]
    [InlineData(1e20f)]
    public void ClassesThatHaveNoOutputAreRefused(float target)
    {
        var trial = new LossTrial(2, 3, new float[6], [0, target]);
        var error = Assert.Throws<ArgumentException>(
            () => trial.Compute(new SoftmaxCrossEntropy(), _one, 1));
        Assert.Contains("row 1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OptionsOutOfRangeAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new Huber(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Huber(float.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SoftmaxCrossEntropy(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SoftmaxCrossEntropy(-0.1f));
        Assert.Throws<ArgumentException>(() => new SoftmaxCrossEntropy(0, [1, -1]));
        Assert.Throws<ArgumentException>(() => new SoftmaxCrossEntropy(0, [0, 0]));
        Assert.Throws<ArgumentException>(() => new SoftmaxCrossEntropy(0, [1, float.NaN]));
    }

    [Fact]
    public void ClassWeightsMustBeAsManyAsTheOutputs()
    {
        var trial = new LossTrial(1, 3, new float[3], [0]);
        var error = Assert.Throws<ArgumentException>(
            () => trial.Compute(new SoftmaxCrossEntropy(0, [1, 2]), _one, 1));
        Assert.Contains("2 class weights for 3", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EqualOptionsMakeEqualLosses()
    {
        Assert.Equal(
            new SoftmaxCrossEntropy(0.1f, [1, 2]), new SoftmaxCrossEntropy(0.1f, [1, 2]));
        Assert.NotEqual(
            new SoftmaxCrossEntropy(0.1f, [1, 2]), new SoftmaxCrossEntropy(0.1f, [1, 3]));
        Assert.Equal(new Huber(2), new Huber(2));
    }

    [Fact]
    public void TheTextOfALossShowsAllItsOptions()
    {
        Assert.Equal(
            "SoftmaxCrossEntropy { LabelSmoothing = 0.1, ClassWeights = [1 2.5] }",
            new SoftmaxCrossEntropy(0.1f, [1, 2.5f]).ToString());
        Assert.Contains("Delta = 0.5", new Huber(0.5f).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void ComputingAllocatesNothing()
    {
        foreach ((Loss loss, LossTrial trial) in Trials(rows: 601))
        {
            float[] rowLosses = new float[trial.Rows], gradient = new float[trial.Outputs.Length];
            Assert.Equal(0, Allocations.OfSteadyState(() =>
            {
                fixed (float* o = trial.Outputs, t = trial.Targets, l = rowLosses, g = gradient)
                {
                    loss.Compute(_three, o, t, trial.Rows, trial.Width, 1, l, g);
                }
            }));
        }
    }

    private void AssertSameAtEveryWidth<TElement>(Loss loss, TElement element, int divisor = 0)
        where TElement : struct, IElementLoss
    {
        foreach (int width in Widths)
        {
            var trial = LossTrial.For(loss, 5, width);
            (float[] expected, float[] expectedGradient) = trial.Compute(loss, _one, 0.25f);
            float[] rowLosses = new float[5], gradient = new float[5 * width];
            fixed (float* o = trial.Outputs, t = trial.Targets, l = rowLosses, g = gradient)
            {
                var body = new ElementLossRows<TElement>
                {
                    Loss = element,
                    Outputs = o,
                    Targets = t,
                    Rows = 5,
                    Width = width,
                    Divisor = divisor == 0 ? width : divisor,
                    Scale = 0.25f,
                    RowLosses = l,
                    Gradient = g,
                };
                foreach (SimdWidth simdWidth in SimdWidths.All)
                {
                    body.Run(simdWidth, 0, 1);
                    Assert.Equal(expected, rowLosses);
                    Assert.Equal(expectedGradient, gradient);
                }
            }
        }
    }

    private static IEnumerable<(Loss Loss, LossTrial Trial)> Trials(int rows) =>
        from width in Widths
        from loss in LossTrial.Losses(width)
        select (loss, LossTrial.For(loss, rows, width));
}
