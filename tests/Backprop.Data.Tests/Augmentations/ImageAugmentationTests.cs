using Backprop.Data.Augmentations;
using Backprop.Engine;

namespace Backprop.Data.Tests.Augmentations;

public sealed class ImageAugmentationTests
{
    private static readonly Shape Square = Shape.Of(5, 5);

    [Fact]
    public void AShiftMovesTheImageAndFillsWithZero()
    {
        var offsets = new HashSet<(int, int)>();
        for (int sample = 0; sample < 400; sample++)
        {
            float[] image = Apply(Square, sample, new ImageAugmentation.Shift(2));
            (int down, int right) = Assert.Single(Offsets(image, 2, Zero));
            offsets.Add((down, right));
        }

        Assert.Equal(25, offsets.Count);

        static float Zero(int row, int column) =>
            row is < 0 or > 4 || column is < 0 or > 4 ? 0 : Original(row, column);
    }

    [Fact]
    public void CropPadFillsWithTheMirrorImage()
    {
        var offsets = new HashSet<(int, int)>();
        for (int sample = 0; sample < 400; sample++)
        {
            float[] image = Apply(Square, sample, new ImageAugmentation.CropPad(2));
            offsets.Add(Assert.Single(Offsets(image, 2, Mirrored)));
        }

        Assert.Equal(25, offsets.Count);

        static float Mirrored(int row, int column) => Original(Mirror(row), Mirror(column));
        static int Mirror(int index) => index < 0 ? -index : index > 4 ? 8 - index : index;
    }

    [Fact]
    public void AFlipSwapsLeftAndRightAsOftenAsAsked()
    {
        const int Samples = 4000;
        float[] flipped = Image((row, column) => Original(row, 4 - column));
        int flips = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            float[] image = Apply(Square, sample, new ImageAugmentation.HorizontalFlip(0.25));
            bool isFlipped = image.SequenceEqual(flipped);
            Assert.True(isFlipped || image.SequenceEqual(Image(Original)));
            flips += isFlipped ? 1 : 0;
        }

        Assert.InRange(flips, Samples / 4 - 140, Samples / 4 + 140);
    }

    [Fact]
    public void ChannelsOfAPixelStayTogether()
    {
        IAugmentation flip = Compose(Shape.Of(1, 3, 2), new ImageAugmentation.HorizontalFlip(1));
        float[] image = [1, 2, 3, 4, 5, 6];
        flip.Apply(1, 0, 0, image, new float[6]);
        Assert.Equal([5f, 6, 3, 4, 1, 2], image);
    }

    [Theory]
    [InlineData(90)]
    [InlineData(-90)]
    [InlineData(180)]
    public void ATurnByAQuarterMovesEveryPixelToItsPlace(double degrees)
    {
        float[] image = Image(Original);
        new Rotation(ImageShape.Of(Square), 0, 180).Turn(
            degrees * Math.PI / 180, image, new float[25]);
        float[] expected = Image((row, column) => degrees switch
        {
            90 => Original(column, 4 - row),
            -90 => Original(4 - column, row),
            _ => Original(4 - row, 4 - column),
        });
        for (int i = 0; i < image.Length; i++)
        {
            Assert.Equal(expected[i], image[i], 1e-4);
        }
    }

    // A plane stays a plane under bilinear interpolation: inside, the turned plane is known.
    [Fact]
    public void ATurnByAnyAngleInterpolates()
    {
        const double Angle = 0.3;
        float[] image = Image((row, column) => (2 * row) + column);
        new Rotation(ImageShape.Of(Square), 0, 180).Turn(Angle, image, new float[25]);
        for (int row = 1; row < 4; row++)
        {
            for (int column = 1; column < 4; column++)
            {
                double down = row - 2, right = column - 2;
                double fromRow = 2 + (Math.Cos(Angle) * down) + (Math.Sin(Angle) * right);
                double fromColumn = 2 + (Math.Cos(Angle) * right) - (Math.Sin(Angle) * down);
                Assert.Equal((2 * fromRow) + fromColumn, image[(5 * row) + column], 1e-5);
            }
        }
    }

    [Fact]
    public void NoiseHasTheDeviationAskedFor()
    {
        var image = new float[28 * 28];
        var scratch = new float[28 * 28];
        var noise = new List<double>();
        IAugmentation augmentation = Compose(Shape.Of(28, 28), new ImageAugmentation.Noise(0.5));
        for (int sample = 0; sample < 50; sample++)
        {
            Array.Clear(image);
            augmentation.Apply(1, 0, sample, image, scratch);
            noise.AddRange(image.Select(x => (double)x));
        }

        Assert.Equal(0, noise.Average(), 0.0125);
        Assert.Equal(0.5, Math.Sqrt(noise.Average(x => x * x)), 0.01);
    }

    [Fact]
    public void TheResultIsAFunctionOfSeedEpochAndSample()
    {
        ImageAugmentation[] all =
        [
            new ImageAugmentation.Rotate(20), new ImageAugmentation.Shift(2),
            new ImageAugmentation.Noise(0.1),
        ];
        IAugmentation augmentation = Compose(Square, all);
        float[] first = Run(1, 2, 3);
        Assert.NotEqual(first, Run(2, 2, 3));
        Assert.NotEqual(first, Run(1, 3, 3));
        Assert.NotEqual(first, Run(1, 2, 4));
        Assert.Equal(first, Run(1, 2, 3));

        float[] Run(ulong seed, long epoch, long sample)
        {
            float[] image = Image(Original);
            augmentation.Apply(seed, epoch, sample, image, new float[25]);
            return image;
        }
    }

    [Fact]
    public void TwoOfAKindDrawForThemselves()
    {
        IAugmentation twice =
            Compose(Square, new ImageAugmentation.Noise(1), new ImageAugmentation.Noise(1));
        IAugmentation once = Compose(Square, new ImageAugmentation.Noise(1));
        var two = new float[25];
        var one = new float[25];
        twice.Apply(1, 0, 0, two, new float[25]);
        once.Apply(1, 0, 0, one, new float[25]);
        Assert.NotEqual(one.Select(x => 2 * x), two);
    }

    [Fact]
    public void ApplyingAllocatesNothing()
    {
        IAugmentation augmentation = Compose(
            Square, new ImageAugmentation.Rotate(20), new ImageAugmentation.Shift(1),
            new ImageAugmentation.CropPad(1), new ImageAugmentation.HorizontalFlip(),
            new ImageAugmentation.Noise(0.1));
        float[] image = Image(Original), scratch = new float[25];
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            for (int sample = 0; sample < 100; sample++)
            {
                augmentation.Apply(1, 0, sample, image, scratch);
            }
        }));
    }

    [Fact]
    public void WhatMakesNoSenseIsRefused()
    {
        Assert.Null(ImageAugmentation.Compose([], Shape.Of(3)));
        AssertRefused("samples of 9 are not images", Shape.Of(9), new ImageAugmentation.Shift(1));
        AssertRefused("pixels lie between 1 and 4", Square, new ImageAugmentation.Shift(5));
        AssertRefused("pixels lie between 1 and 4", Square, new ImageAugmentation.CropPad(0));
        AssertRefused("a probability", Square, new ImageAugmentation.HorizontalFlip(1.5));
        AssertRefused("degrees", Square, new ImageAugmentation.Rotate(double.NaN));
        AssertRefused(
            "a standard deviation", Square, new ImageAugmentation.Noise(double.PositiveInfinity));
    }

    private static void AssertRefused(
        string expected, Shape shape, ImageAugmentation augmentation) => Assert.Contains(
        expected,
        Assert.Throws<ArgumentException>(() => ImageAugmentation.Compose([augmentation], shape))
            .Message,
        StringComparison.Ordinal);

    private static IAugmentation Compose(Shape shape, params ImageAugmentation[] augmentations) =>
        ImageAugmentation.Compose([.. augmentations], shape)!;

    private static float Original(int row, int column) => 1 + (5 * row) + column;

    private static float[] Image(Func<int, int, float> pixel) =>
        [.. Enumerable.Range(0, 25).Select(i => pixel(i / 5, i % 5))];

    private static float[] Apply(Shape shape, long sample, ImageAugmentation augmentation)
    {
        float[] image = Image(Original);
        Compose(shape, augmentation).Apply(3, 1, sample, image, new float[25]);
        return image;
    }

    private static IEnumerable<(int Down, int Right)> Offsets(
        float[] image, int furthest, Func<int, int, float> pixel) =>
        from down in Enumerable.Range(-furthest, (2 * furthest) + 1)
        from right in Enumerable.Range(-furthest, (2 * furthest) + 1)
        where image.SequenceEqual(Image((row, column) => pixel(row - down, column - right)))
        select (down, right);
}
