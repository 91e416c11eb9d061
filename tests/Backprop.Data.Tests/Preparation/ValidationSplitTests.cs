using Backprop.Data.Preparation;

namespace Backprop.Data.Tests.Preparation;

public sealed class ValidationSplitTests
{
    private static readonly InMemoryDataset Unbalanced = InMemoryDataset.OfClasses(
        "unbalanced", [.. Enumerable.Range(0, 103).Select(i => new[] { (float)i })],
        [.. Enumerable.Range(0, 103).Select(i => i < 60 ? 0 : i < 93 ? 1 : 2)], ["a", "b", "c"]);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EverySampleIsInExactlyOnePart(bool stratified)
    {
        var split = ValidationSplit.Of(Unbalanced, 42, 0.2, stratified);
        Assert.Equal(21, split.Validation.Count);
        Assert.Equal(82, split.Train.Count);
        Assert.Equal(
            Enumerable.Range(0, 103).Select(i => (float)i),
            All(split.Train).Concat(All(split.Validation)).Order());
        Assert.Equal(All(split.Train).Order(), All(split.Train));
    }

    [Fact]
    public void TheSplitIsAFunctionOfTheSeed()
    {
        float[] held = All(ValidationSplit.Of(Unbalanced, 42, 0.2).Validation);
        Assert.Equal(held, All(ValidationSplit.Of(Unbalanced, 42, 0.2).Validation));
        Assert.NotEqual(held, All(ValidationSplit.Of(Unbalanced, 43, 0.2).Validation));
    }

    // 60, 33 and 10 of 103 for 21 places: 12.23, 6.73 and 2.04, so the second is rounded up.
    [Fact]
    public void StratifiedPartsKeepTheProportionsByLargestRemainder()
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var split = ValidationSplit.Of(Unbalanced, seed, 0.2, stratified: true);
            Assert.Equal([12L, 7, 2], (long[])[.. ClassCounts.Of(split.Validation)]);
            Assert.Equal([48L, 26, 8], (long[])[.. ClassCounts.Of(split.Train)]);
        }
    }

    [Theory]
    [InlineData(0.0001, 1)]
    [InlineData(0.9999, 102)]
    [InlineData(0.5, 52)]
    public void NeitherPartIsEmpty(double fraction, int held) =>
        Assert.Equal(held, ValidationSplit.Of(Unbalanced, 1, fraction).Validation.Count);

    [Fact]
    public void FoldsTogetherAreTheDataset()
    {
        float[] held =
        [
            .. Enumerable.Range(0, 10)
                .SelectMany(fold => All(ValidationSplit.Fold(Unbalanced, 3, 10, fold).Validation)),
        ];
        Assert.Equal(Enumerable.Range(0, 103).Select(i => (float)i), held.Order());
        Assert.Equal(93, ValidationSplit.Fold(Unbalanced, 3, 10, 0).Train.Count);
    }

    [Fact]
    public void WhatCannotBeSplitIsRefused()
    {
        InMemoryDataset one = InMemoryDataset.OfValues("one", [[1f]], [[1f]]);
        InMemoryDataset two = InMemoryDataset.OfValues("two", [[1f], [2]], [[1f], [2]]);
        Assert.Contains(
            "only one sample",
            Assert.Throws<InvalidDatasetException>(() => ValidationSplit.Of(one, 1, 0.5)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no classes to stratify by",
            Assert.Throws<InvalidDatasetException>(
                () => ValidationSplit.Of(two, 1, 0.5, stratified: true)).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => ValidationSplit.Of(two, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => ValidationSplit.Of(two, 1, double.NaN));
    }

    private static float[] All(IDataset dataset) =>
        [.. Enumerable.Range(0, (int)dataset.Count).Select(i => dataset.Features(i)[0])];
}
