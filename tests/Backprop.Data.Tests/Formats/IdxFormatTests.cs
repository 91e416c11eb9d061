using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Data.Formats;
using Backprop.Engine;

namespace Backprop.Data.Tests.Formats;

public sealed class IdxFormatTests : IDisposable
{
    private static readonly byte[] TwoImages =
        [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 253, 254, 255];

    private static readonly byte[] TwoLabels = [0, 0, 8, 1, 0, 0, 0, 2, 1, 0];

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BytesAreReadAsTheyAreFromPlainAndCompressedFiles(bool compressed)
    {
        using IDataset dataset = IdxFormat.Open(Pair(TwoImages, TwoLabels, compressed));
        Assert.Equal(2, dataset.Count);
        Assert.Equal(Shape.Of(1, 3), dataset.FeatureShape);
        Assert.Equal([1f, 2, 3], dataset.Features(0));
        Assert.Equal([253f, 254, 255], dataset.Features(1));
        Assert.Equal(1, dataset.Label(0));
        Assert.Equal(0, dataset.Label(1));
        Assert.Equal(["0", "1"], dataset.Classes());
    }

    [Fact]
    public void TheShippedDigitsAreTheDigits()
    {
        using IDataset train = Digits("train");
        using IDataset test = Digits("test");
        Assert.Equal(1437, train.Count);
        Assert.Equal(360, test.Count);
        Assert.Equal(Shape.Of(8, 8), train.FeatureShape);
        Assert.Equal(10, train.Classes().Length);

        // The first sample of the set as scikit-learn prints it: a zero.
        Assert.Equal([0f, 0, 5, 13, 9, 1, 0, 0], train.Features(0)[..8]);
        Assert.Equal(0, train.Label(0));
        for (long sample = 0; sample < train.Count; sample++)
        {
            Assert.All(train.Features(sample), value => Assert.InRange(value, 0, 16));
        }
    }

    [Fact]
    public void WideImagesAreConvertedElementByElement()
    {
        byte[] pixels = [.. Enumerable.Range(0, 71).Select(i => (byte)(255 - (3 * i)))];
        byte[] images = [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 71, .. pixels];
        byte[] labels = [0, 0, 8, 1, 0, 0, 0, 1, 0];
        using IDataset dataset = IdxFormat.Open(Pair(images, labels));
        Assert.Equal(pixels.Select(p => (float)p), dataset.Features(0));
    }

    [Theory]
    [InlineData(0x09, new byte[] { 0xFF, 0x02 }, -1f, 2f)]
    [InlineData(0x0B, new byte[] { 0xFF, 0xFE, 0x01, 0x00 }, -2f, 256f)]
    [InlineData(0x0C, new byte[] { 0xFF, 0xFF, 0xFF, 0xFD, 0, 1, 0, 0 }, -3f, 65536f)]
    [InlineData(0x0D, new byte[] { 0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0 }, 1.5f, -2f)]
    [InlineData(
        0x0E, new byte[] { 0x3F, 0xE0, 0, 0, 0, 0, 0, 0, 0xC0, 0x08, 0, 0, 0, 0, 0, 0 }, 0.5f, -3f)]
    public void EveryElementTypeIsBigEndian(byte type, byte[] elements, float first, float second)
    {
        byte[] images = [0, 0, type, 2, 0, 0, 0, 1, 0, 0, 0, 2, .. elements];
        byte[] labels = [0, 0, 8, 1, 0, 0, 0, 1, 0];
        using IDataset dataset = IdxFormat.Open(Pair(images, labels));
        Assert.Equal([first, second], dataset.Features(0));
    }

    [Fact]
    public void ValuesAreReadAsRegressionTargets()
    {
        byte[] targets = [0, 0, 0x0D, 1, 0, 0, 0, 2, 0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0];
        using IDataset dataset =
            IdxFormat.Open(Pair(TwoImages, targets) with { Target = ArrayTarget.Values });
        Assert.Equal([1.5f], dataset.Targets(0));
        Assert.Equal([-2f], dataset.Targets(1));
    }

    [Fact]
    public void ShardsAreOneSetWhoseClassesCountOverAllOfThem()
    {
        IdxOptions first = Pair(TwoImages, TwoLabels);
        IdxOptions second = Pair(TwoImages, [0, 0, 8, 1, 0, 0, 0, 2, 0, 4]);
        using IDataset dataset =
            IdxFormat.Open(new IdxOptions { Shards = [.. first.Shards, .. second.Shards] });
        Assert.Equal(4, dataset.Count);
        Assert.Equal(["0", "1", "2", "3", "4"], dataset.Classes());
        Assert.Equal([1f, 0, 0, 4], Enumerable.Range(0, 4).Select(i => dataset.Label(i)));
        Assert.Equal([253f, 254, 255], dataset.Features(3));
    }

    [Fact]
    public void AnUnknownMagicIsRefusedByName()
    {
        string message = Refused([0x89, 0x50, 0x4E, 0x47, .. TwoImages], TwoLabels);
        Assert.Contains("byte 0: it begins with 89504E47, which is not IDX", message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnknownElementTypeIsRefusedByName() =>
        Assert.Contains(
            "byte 2: element type 0x0A is unknown",
            Refused([0, 0, 0x0A, 2, 0, 0, 0, 1, 0, 0, 0, 1, 7], TwoLabels),
            StringComparison.Ordinal);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryTruncationIsRefused(bool compressed)
    {
        for (int length = 1; length < TwoImages.Length; length++)
        {
            byte[] cut = TwoImages[..length];
            string message = Refused(cut, TwoLabels, compressed);
            Assert.Matches("the file (ends after|is truncated)", message);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void TrailingBytesAreRefused(bool compressed) =>
        Assert.Contains(
            "byte 22: data follow the 22 bytes that the header promises",
            Refused([.. TwoImages, 0], TwoLabels, compressed), StringComparison.Ordinal);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AHeaderThatPromisesGigabytesTakesNoMemory(bool compressed)
    {
        byte[] images = [0, 0, 8, 3, 0x00, 0xFF, 0xFF, 0xFF, 0, 0, 0, 28, 0, 0, 0, 2, 1, 2, 3];
        IdxOptions options = Pair(images, TwoLabels, compressed);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<InvalidDatasetException>(() => IdxFormat.Open(options));
        Assert.Contains("the file is truncated", refusal.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void DimensionsThatOverflowAreRefused()
    {
        byte[] huge =
            [0, 0, 8, 4, .. Enumerable.Repeat((byte)0xFF, 16), 1, 2, 3];
        Assert.Contains("more than can be used", Refused(huge, TwoLabels),
            StringComparison.Ordinal);
        byte[] none = [0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 3];
        Assert.Contains("every dimension must be at least 1", Refused(none, TwoLabels),
            StringComparison.Ordinal);
    }

    [Fact]
    public void LabelsOutOfRangeAreRefusedWithTheirPlace()
    {
        IdxOptions options = Pair(TwoImages, TwoLabels) with { Classes = ["only"] };
        var refusal = Assert.Throws<InvalidDatasetException>(() => IdxFormat.Open(options));
        Assert.Contains(
            "byte 8, sample 0: label 1 is out of range; labels are whole numbers from 0 to 0",
            refusal.Message, StringComparison.Ordinal);
        Assert.Equal(0, refusal.Position.Sample);
    }

    [Fact]
    public void DifferentCountsAreRefused() =>
        Assert.Contains(
            "3 targets for the 2 samples of",
            Refused(TwoImages, [0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 1]), StringComparison.Ordinal);

    [Theory]
    [InlineData(0x7F, 0xC0, "NaN")]
    [InlineData(0xFF, 0x80, "-Infinity")]
    public void NumbersThatAreNotFiniteAreRefused(byte high, byte low, string name)
    {
        byte[] images = [0, 0, 0x0D, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, high, low, 0, 0];
        Assert.Contains(
            $"byte 16, sample 1: a number is {name}", Refused(images, TwoLabels),
            StringComparison.Ordinal);
    }

    [Fact]
    public void DoublesBeyondTheRangeOfFloatsAreRefused()
    {
        var element = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(element, 1e39);
        byte[] images = [0, 0, 0x0E, 2, 0, 0, 0, 1, 0, 0, 0, 1, .. element];
        Assert.Contains("a number is", Refused(images, [0, 0, 8, 1, 0, 0, 0, 1, 0]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void ADamagedGzipFileIsRefused()
    {
        byte[] damaged = DataFolder.Gzip(TwoImages);
        damaged[^6] ^= 0x55;
        IdxOptions options = Pair(TwoImages, TwoLabels) with
        {
            Shards =
            [
                new IdxFiles(
                    _folder.Write("damaged.gz", damaged), _folder.Write("labels", TwoLabels)),
            ],
        };
        Assert.Contains("the compressed data are damaged",
            Assert.Throws<InvalidDatasetException>(() => IdxFormat.Open(options)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void AMissingOrEmptyFileIsRefused()
    {
        string empty = _folder.Write("empty", Array.Empty<byte>());
        string missing = _folder.PathOf("missing");
        Assert.Contains($"{empty}: the file is empty", OpenImages(empty), StringComparison.Ordinal);
        Assert.Contains(
            $"{missing}: there is no such file", OpenImages(missing), StringComparison.Ordinal);
    }

    [Fact]
    public void ReadingSamplesAllocatesNothing()
    {
        using IDataset dataset = Digits("test");
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            Span<float> features = stackalloc float[64];
            Span<float> label = stackalloc float[1];
            for (int sample = 0; sample < dataset.Count; sample++)
            {
                dataset.ReadFeatures(sample, features);
                dataset.ReadTarget(sample, label);
            }
        }));
    }

    private static IDataset Digits(string part)
    {
        string folder = Path.Combine(DataFolder.Shipped, "digits");
        return IdxFormat.Open(new IdxOptions
        {
            Shards =
            [
                new IdxFiles(
                    Path.Combine(folder, $"{part}-images-idx3-ubyte.gz"),
                    Path.Combine(folder, $"{part}-labels-idx1-ubyte.gz")),
            ],
        });
    }

    private IdxOptions Pair(byte[] images, byte[] labels, bool compressed = false)
    {
        string name = Guid.NewGuid().ToString("n");
        Func<string, byte[], string> write = compressed ? _folder.WriteGzip : _folder.Write;
        return new IdxOptions
        {
            Shards =
            [
                new IdxFiles(write(name + "-images", images), write(name + "-labels", labels)),
            ],
        };
    }

    private string Refused(byte[] images, byte[] labels, bool compressed = false)
    {
        IdxOptions options = Pair(images, labels, compressed);
        return Assert.Throws<InvalidDatasetException>(() => IdxFormat.Open(options)).Message;
    }

    private string OpenImages(string path)
    {
        var options = new IdxOptions
        {
            Shards = [new IdxFiles(path, _folder.Write("labels", TwoLabels))],
        };
        return Assert.Throws<InvalidDatasetException>(() => IdxFormat.Open(options)).Message;
    }
}
