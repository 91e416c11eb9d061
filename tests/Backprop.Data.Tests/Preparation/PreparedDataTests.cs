using Backprop.Data.Preparation;
using Backprop.Engine;

namespace Backprop.Data.Tests.Preparation;

public sealed class PreparedDataTests
{
    private static readonly InMemoryDataset Numbers = InMemoryDataset.OfValues(
        "numbers", [.. Enumerable.Range(0, 50).Select(i => new[] { (float)(i * i) })],
        [.. Enumerable.Range(0, 50).Select(i => new[] { 2f * i })]);

    [Fact]
    public void TheNormalizationIsFittedOnTheTrainingPartOnly()
    {
        using PreparedData data = PreparedData.Of(Numbers, null, null, 9, new PreparationOptions
        {
            Normalize = NormalizationMethod.Standard,
            NormalizeTargets = NormalizationMethod.Unit,
            ValidationFraction = 0.3,
        });
        Assert.Equal(35, data.Train.Count);
        Assert.Equal(15, data.Validation!.Count);
        double[] train =
            [.. Enumerable.Range(0, 35).Select(i => (double)data.Train.Features(i)[0])];
        Assert.Equal(0, train.Average(), 1e-6);
        Assert.Equal(1, train.Average(x => x * x), 1e-5);

        SubsetDataset raw = ValidationSplit.Of(Numbers, 9, 0.3).Train;
        double mean = Enumerable.Range(0, 35).Average(i => (double)raw.Features(i)[0]);
        Assert.Equal((float)mean, data.Preparation.Features.Offsets[0]);
        float[] targets = [.. Enumerable.Range(0, 35).Select(i => data.Train.Targets(i)[0])];
        Assert.Equal(0, targets.Min());
        Assert.Equal(1, targets.Max());
    }

    [Fact]
    public void MissingValuesAreFilledByWhatTheTrainingPartHas()
    {
        const float Missing = float.NaN;
        var train = new InMemoryDataset(
            "table", Shape.Of(3), new TargetSchema.Values(["y"]),
            [1, 4, Missing, 2, Missing, 5, 6, 1, 5, Missing, 2, 5], [0, 0, 0, 0], default, true);
        var preparation = DataPreparation.Fit(
            train, NormalizationMethod.None, missing:
            [
                new MissingFill(MissingPolicy.Mean), new MissingFill(MissingPolicy.Median),
                new MissingFill(MissingPolicy.Constant, -1),
            ]);
        IDataset prepared = preparation.Apply(train);
        Assert.Equal([1f, 4, -1], prepared.Features(0));
        Assert.Equal([2f, 2, 5], prepared.Features(1));
        Assert.Equal([3f, 2, 5], prepared.Features(3));
    }

    [Fact]
    public void AColumnWithoutAnyValueCannotBeFilledWithItsMean()
    {
        var train = new InMemoryDataset(
            "table", Shape.Of(2), new TargetSchema.Values(["y"]),
            [1, float.NaN, 2, float.NaN], [0, 0], ["full", "void"], true);
        Assert.Contains(
            "table, column 'void': the training part has no value to take the median of",
            Assert.Throws<InvalidDatasetException>(() => DataPreparation.Fit(
                train, NormalizationMethod.None,
                missing: [new MissingFill(MissingPolicy.Mean), new(MissingPolicy.Median)]))
            .Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void TheStoredPreparationIsTheSameToTheLastBit()
    {
        var preparation = DataPreparation.Fit(
            Numbers, NormalizationMethod.Standard, NormalizationMethod.Standard);
        var read = DataPreparation.FromJson("result.json", preparation.ToJson());
        Assert.Equal(preparation, read);
        Assert.Equal(preparation.Apply(Numbers).Features(7), read.Apply(Numbers).Features(7));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("""{"features": null}""")]
    [InlineData("""{"colour": 3}""")]
    [InlineData("""{"features": {"method": "sideways"}}""")]
    public void WhatIsNotAStoredPreparationIsRefused(string json) =>
        Assert.Contains(
            "result.json: it is not a stored preparation",
            Assert.Throws<InvalidDatasetException>(
                () => DataPreparation.FromJson("result.json", json)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"features": {"method": "unit", "offsets": [1, 2], "spreads": [1, 2]}}""")]
    [InlineData("""{"features": {"method": "unit", "offsets": [1], "spreads": []}}""")]
    [InlineData("""{"features": {"method": "unit", "offsets": [1], "spreads": [-1]}}""")]
    [InlineData("""{"missing": {"values": [1, 2, 3]}}""")]
    public void APreparationOfAnotherSizeIsNotApplied(string json) =>
        Assert.Contains(
            "do not suit the stored preparation",
            Assert.Throws<InvalidDatasetException>(
                () => DataPreparation.FromJson("result.json", json).Apply(Numbers)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void PartsThatDoNotGoTogetherAreRefused()
    {
        InMemoryDataset wide = InMemoryDataset.OfValues("wide", [[1f, 2]], [[1f]]);
        Assert.Contains(
            "wide: a sample is 2; in numbers, which it goes with, it is 1",
            Assert.Throws<InvalidDatasetException>(() => PreparedData.Of(
                Numbers, null, wide, 1, new PreparationOptions())).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => PreparedData.Of(
            Numbers, Numbers, null, 1, new PreparationOptions { ValidationFraction = 0.5 }));
    }

    [Fact]
    public void PreparingASampleAllocatesNothing()
    {
        IDataset prepared = DataPreparation.Fit(
            Numbers, NormalizationMethod.Standard, NormalizationMethod.Unit).Apply(Numbers);
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            Span<float> value = stackalloc float[1];
            for (int i = 0; i < 50; i++)
            {
                prepared.ReadFeatures(i, value);
                prepared.ReadTarget(i, value);
            }
        }));
    }

    [Fact]
    public void ACopyInMemoryIsTheSameSamples()
    {
        IDataset prepared = DataPreparation.Fit(Numbers, NormalizationMethod.Unit).Apply(Numbers);
        InMemoryDataset copy = InMemoryDataset.CopyOf(prepared);
        Assert.Equal(prepared.Count, copy.Count);
        for (int i = 0; i < copy.Count; i++)
        {
            Assert.Equal(prepared.Features(i), copy.Features(i));
            Assert.Equal(prepared.Targets(i), copy.Targets(i));
        }
    }
}
