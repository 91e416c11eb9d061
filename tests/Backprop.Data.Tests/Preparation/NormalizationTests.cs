using Backprop.Data.Preparation;
using Backprop.Engine;

namespace Backprop.Data.Tests.Preparation;

public sealed class NormalizationTests
{
    // Third column: constant.
    private static readonly InMemoryDataset Table = InMemoryDataset.OfValues(
        "table", [[1f, -10, 0.1f], [2, 10, 0.1f], [3, 30, 0.1f], [6, -30, 0.1f]],
        [[100f], [200], [300], [600]]);

    [Fact]
    public void StandardIsMeanZeroAndDeviationOne()
    {
        var normalization = Normalization.OfFeatures(Table, NormalizationMethod.Standard);
        Assert.Equal([3f, 0, 0.1f], (float[])[.. normalization.Offsets]);

        // Variances by hand: (4 + 1 + 0 + 9) / 4 and (100 + 100 + 900 + 900) / 4.
        Assert.Equal(
            [(float)Math.Sqrt(3.5), (float)Math.Sqrt(500), 0],
            (float[])[.. normalization.Spreads]);
        float[] sample = [1, -10, 0.1f];
        normalization.Apply(sample);
        Assert.Equal(
            [-2 / (float)Math.Sqrt(3.5), -10 / (float)Math.Sqrt(500), 0], sample);
    }

    [Fact]
    public void UnitIsZeroToOneForEachColumnOfATable()
    {
        var normalization = Normalization.OfFeatures(Table, NormalizationMethod.Unit);
        float[] samples = [1, -30, 0.1f, 6, 30, 0.1f, 3.5f, 0, 7];
        normalization.Apply(samples);
        Assert.Equal([0f, 0, 0, 1, 1, 0, 0.5f, 0.5f, 0], samples);
    }

    [Fact]
    public void UnitIsJointForAllPixelsOfImages()
    {
        var images = new InMemoryDataset(
            "images", Shape.Of(2, 2), new TargetSchema.Class(["a"]),
            [0, 0, 0, 51, 0, 0, 255, 0], [0, 0]);
        var normalization = Normalization.OfFeatures(images, NormalizationMethod.Unit);
        float[] image = [0, 51, 255, 0];
        normalization.Apply(image);
        Assert.Equal([0f, 51 / 255f, 1, 0], image);
    }

    [Fact]
    public void EveryWidthGivesTheSameNumbersAsOneByOne()
    {
        for (int width = 1; width < 40; width++)
        {
            float[][] rows =
            [
                .. Enumerable.Range(0, 5).Select(row => Enumerable.Range(0, width)
                    .Select(i => i % 7 == 3 ? 5f : ((row * 37) + (i * 11)) % 19 * 0.37f)
                    .ToArray()),
            ];
            InMemoryDataset dataset = InMemoryDataset.OfValues(
                "rows", rows, [.. rows.Select(_ => new[] { 0f })]);
            var fitted = Normalization.OfFeatures(dataset, NormalizationMethod.Standard);
            float[] sample = dataset.Features(1);
            fitted.Apply(sample);
            for (int i = 0; i < width; i++)
            {
                float expected = fitted.Spreads[i] == 0
                    ? 0
                    : (rows[1][i] - fitted.Offsets[i]) / fitted.Spreads[i];
                Assert.Equal(expected, sample[i]);
            }
        }
    }

    [Fact]
    public void AConstantThatSumsInexactlyIsStillConstant()
    {
        float[][] rows = [.. Enumerable.Repeat(new[] { 0.1f, 1e30f }, 1001)];
        InMemoryDataset dataset =
            InMemoryDataset.OfValues("constant", rows, [.. rows.Select(_ => new[] { 0f })]);
        var normalization = Normalization.OfFeatures(dataset, NormalizationMethod.Standard);
        Assert.Equal([0f, 0], (float[])[.. normalization.Spreads]);
    }

    [Fact]
    public void TargetsAreRestoredToTheirUnits()
    {
        var normalization = Normalization.OfTargets(Table, NormalizationMethod.Standard);
        float[] targets = [100, 200, 300, 600];
        normalization.Apply(targets);
        Assert.Equal(0, targets.Sum(), 1e-6);
        normalization.Restore(targets);
        Assert.Equal([100f, 200, 300, 600], targets);
    }

    // The logarithms are 0 and 2: their mean and their deviation are 1.
    [Fact]
    public void LogarithmsOfTargetsAreMeanZeroAndDeviationOne()
    {
        float square = (float)Math.Exp(2);
        InMemoryDataset prices = InMemoryDataset.OfValues("prices", [[1f], [2f]], [[1f], [square]]);
        var fitted = Normalization.OfTargets(prices, NormalizationMethod.LogStandard);
        float[] targets = [1, square, (float)Math.E];
        fitted.Apply(targets);
        Assert.Equal([-1f, 1, 0], targets.Select(target => MathF.Round(target, 6)));
        fitted.Restore(targets);
        Assert.Equal(1, targets[0], 1e-6);
        Assert.Equal(square, targets[1], 1e-5);
        Assert.Equal(Math.E, targets[2], 1e-6);
        float[] huge = [1000];
        fitted.Restore(huge);
        Assert.Equal([float.MaxValue], huge);
    }

    [Fact]
    public void LogarithmsNeedTargetsAboveZeroInEveryPart()
    {
        InMemoryDataset good = InMemoryDataset.OfValues("good", [[1f], [2f]], [[1f], [2f]]);
        InMemoryDataset bad = InMemoryDataset.OfValues("bad", [[1f], [2f]], [[1f], [0f]]);
        const string Expected = "bad, sample 1: its target 0 has no logarithm";
        Assert.Contains(
            Expected,
            Assert.Throws<InvalidDatasetException>(
                () => Normalization.OfTargets(bad, NormalizationMethod.LogStandard)).Message,
            StringComparison.Ordinal);
        var options = new PreparationOptions
        {
            NormalizeTargets = NormalizationMethod.LogStandard,
        };
        Assert.Contains(
            Expected,
            Assert.Throws<InvalidDatasetException>(
                () => PreparedData.Of(good, bad, null, 1, options)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void ClassesCannotBeNormalized()
    {
        InMemoryDataset classes = InMemoryDataset.OfClasses("classes", [[1f]], [0], ["a"]);
        Assert.Contains(
            "its targets are classes",
            Assert.Throws<InvalidDatasetException>(
                () => Normalization.OfTargets(classes, NormalizationMethod.Unit)).Message,
            StringComparison.Ordinal);
    }
}
