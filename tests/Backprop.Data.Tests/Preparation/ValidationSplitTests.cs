using System.Collections.Immutable;
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
                .SelectMany(fold => All(Part(new ValidationFold(10, fold)).Validation)),
        ];
        Assert.Equal(Enumerable.Range(0, 103).Select(i => (float)i), held.Order());
        Assert.Equal(93, Part(new ValidationFold(10, 0)).Train.Count);

        static ValidationSplit Part(ValidationFold fold) =>
            ValidationSplit.Fold(Unbalanced, 3, fold);
    }

    // 60, 33 and 10 samples by hand: of five folds each has 12 of the first class, 6 or 7 of the
    // second and 2 of the third, and 20 or 21 in all.
    [Fact]
    public void StratifiedFoldsHaveEveryClassInProportion()
    {
        ValidationSplit[] folds =
        [
            .. Enumerable.Range(0, 5).Select(fold => ValidationSplit.Fold(
                Unbalanced, 3, new ValidationFold(5, fold), stratified: true)),
        ];
        foreach (ValidationSplit fold in folds)
        {
            ImmutableArray<long> counts = ClassCounts.Of(fold.Validation);
            Assert.Equal((12L, 2L), (counts[0], counts[2]));
            Assert.InRange(counts[1], 6, 7);
            Assert.InRange(fold.Validation.Count, 20, 21);
        }

        Assert.Equal(
            Enumerable.Range(0, 103).Select(i => (float)i),
            folds.SelectMany(fold => All(fold.Validation)).Order());
        Assert.NotEqual(
            All(folds[0].Validation),
            All(ValidationSplit.Fold(Unbalanced, 4, new ValidationFold(5, 0), true).Validation));
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
        Assert.Contains(
            "2 samples cannot be cut into 3 parts",
            Assert.Throws<InvalidDatasetException>(
                () => ValidationSplit.Fold(two, 1, new ValidationFold(3, 0))).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => ValidationSplit.Of(two, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => ValidationSplit.Of(two, 1, double.NaN));
    }

    private static float[] All(IDataset dataset) =>
        [.. Enumerable.Range(0, (int)dataset.Count).Select(i => dataset.Features(i)[0])];
}
