using System.IO.Compression;
using Backprop.Data.Formats;
using Backprop.Engine;

namespace Backprop.Data.Tests.Formats;

public sealed class NumpyFormatTests : IDisposable
{
    private static readonly byte[] TwoLabels = NumpyBytes.Npy("|u1", "(2,)", [1, 0]);

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFileThatNumpySavedIsRead()
    {
        using IDataset dataset = Open(NumpyBytes.SavedByNumpy, TwoLabels);
        Assert.Equal(Shape.Of(3), dataset.FeatureShape);
        Assert.Equal([0f, 0.5f, 1], dataset.Features(0));
        Assert.Equal([1.5f, 2, 2.5f], dataset.Features(1));
        Assert.Equal(["0", "1"], dataset.Classes());
    }

    [Fact]
    public void AnArchiveThatNumpySavedIsRead()
    {
        using IDataset dataset = OpenArchive(NumpyBytes.ArchivedByNumpy, "x", "y");
        Assert.Equal(Shape.Of(2, 2), dataset.FeatureShape);
        Assert.Equal([4f, 5, 6, 7], dataset.Features(1));
        Assert.Equal(1, dataset.Label(0));
    }

    [Theory]
    [InlineData("|u1", 1, new byte[] { 200, 3 }, 200f, 3f)]
    [InlineData("|b1", 2, new byte[] { 1, 0 }, 1f, 0f)]
    [InlineData("|i1", 3, new byte[] { 0xFE, 3 }, -2f, 3f)]
    [InlineData("<i2", 1, new byte[] { 0xFE, 0xFF, 0, 1 }, -2f, 256f)]
    [InlineData(">i2", 2, new byte[] { 0xFF, 0xFE, 1, 0 }, -2f, 256f)]
    [InlineData("<i4", 3, new byte[] { 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF }, 1f, -1f)]
    [InlineData(">f4", 1, new byte[] { 0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0 }, 1.5f, -2f)]
    [InlineData("=f4", 1, new byte[] { 0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0 }, 1.5f, -2f)]
    [InlineData(
        "<i8", 1, new byte[] { 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 }, 7f, 4294967296f)]
    [InlineData(
        "<f8", 1, new byte[] { 0, 0, 0, 0, 0, 0, 0xE0, 0x3F, 0, 0, 0, 0, 0, 0, 8, 0xC0 },
        0.5f, -3f)]
    public void EveryTypeByteOrderAndVersionIsRead(
        string type, byte version, byte[] elements, float first, float second)
    {
        byte[] features = NumpyBytes.Npy(type, "(1, 2)", elements, version);
        using IDataset dataset = Open(features, NumpyBytes.Npy("|u1", "(1,)", [0]));
        Assert.Equal([first, second], dataset.Features(0));
    }

    [Fact]
    public void StoredArchivesAndShardsAndValuesAreRead()
    {
        byte[] archive = NumpyBytes.Npz(
            CompressionLevel.NoCompression,
            ("features", NumpyBytes.Npy("|u1", "(2,)", [5, 6])),
            ("targets", NumpyBytes.Npy("|u1", "(2, 2)", [1, 2, 3, 4])));
        string path = _folder.Write("shard.npz", archive);
        var files = new NumpyFiles(new NumpyArray(path, "features"), new(path, "targets"));
        using IDataset dataset = NumpyFormat.Open(new NumpyOptions
        {
            Shards = [files, files],
            Target = ArrayTarget.Values,
        });
        Assert.Equal(4, dataset.Count);
        Assert.Equal([6f], dataset.Features(3));
        Assert.Equal([3f, 4], dataset.Targets(3));
    }

    [Fact]
    public void FeaturesAloneAreReadFromTheFileAndNotCopied()
    {
        const int Samples = 1 << 18, Width = 1 << 10;
        string path = _folder.Write(
            "large.npy", NumpyBytes.Npy("|u1", $"({Samples}, {Width})", []));
        using (var file = new FileStream(path, FileMode.Open))
        {
            file.SetLength(file.Length + ((long)Samples * Width));
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        using IDataset features = NumpyFormat.OpenFeatures(new NumpyArray(path));
        Assert.Equal(Samples, features.Count);
        Assert.Equal(0, features.Target.Width);
        Assert.Equal(new float[Width], features.Features(Samples - 1));
        Assert.Empty(features.Targets(0));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void OneDimensionMayBeInFortransOrder()
    {
        byte[] features = NumpyBytes.Npy("|u1", "(2,)", [5, 6], order: "True");
        using IDataset dataset = Open(features, TwoLabels);
        Assert.Equal([6f], dataset.Features(1));
    }

    [Theory]
    [InlineData("<f4", "(2, 3)", "True", "it is in Fortran's order, columns first")]
    [InlineData("<c8", "(2, 3)", "False", "its elements are '<c8'")]
    [InlineData("|O", "(2, 3)", "False", "its header is")]
    [InlineData("<f4", "()", "False", "it has 0 dimensions")]
    [InlineData("<f4", "(2, 0)", "False", "every dimension must be at least 1")]
    [InlineData("<f4", "(2, 99999999999999999999)", "False", "its shape is")]
    [InlineData("<f4", "(999999999999, 3)", "False", "more than can be used")]
    [InlineData("<f4", "(2, 4)", "False", "the file is truncated")]
    [InlineData("<f4", "(2, 2)", "False", "data follow the")]
    public void WhatCannotBeReadIsRefusedByName(
        string type, string shape, string order, string expected)
    {
        byte[] features = NumpyBytes.Npy(type, shape, new byte[24], order: order);
        Assert.Contains(
            expected,
            Assert.Throws<InvalidDatasetException>(() => Open(features, TwoLabels)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void EveryTruncationIsRefused()
    {
        for (int length = 1; length < NumpyBytes.SavedByNumpy.Length; length++)
        {
            Assert.Throws<InvalidDatasetException>(
                () => Open(NumpyBytes.SavedByNumpy[..length], TwoLabels));
        }

        for (int length = 1; length < NumpyBytes.ArchivedByNumpy.Length; length++)
        {
            Assert.Throws<InvalidDatasetException>(
                () => OpenArchive(NumpyBytes.ArchivedByNumpy[..length], "x", "y"));
        }
    }

    [Fact]
    public void AnUnknownArrayOfAnArchiveIsRefusedWithThoseThereAre() =>
        Assert.Contains(
            "there is no array 'z' in it; its arrays are x, y",
            Assert.Throws<InvalidDatasetException>(
                () => OpenArchive(NumpyBytes.ArchivedByNumpy, "x", "z")).Message,
            StringComparison.Ordinal);

    // Twenty megabytes of zeros in twenty kilobytes, behind a header that promises two bytes, and
    // behind one that promises what nothing of this size can hold.
    [Fact]
    public void AnArchiveThatUnpacksToMoreOrLessThanItSaysTakesNoMemory()
    {
        var zeros = new byte[20 << 20];
        byte[] bomb = NumpyBytes.Npz(
            CompressionLevel.Optimal,
            ("x", NumpyBytes.Npy("|u1", "(2, 1)", zeros)), ("y", TwoLabels));
        byte[] boast = NumpyBytes.Npz(
            CompressionLevel.Optimal,
            ("x", NumpyBytes.Npy("|u1", "(2, 99999999)", zeros[..1000])), ("y", TwoLabels));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains(
            "data follow the",
            Assert.Throws<InvalidDatasetException>(() => OpenArchive(bomb, "x", "y")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "the file is truncated",
            Assert.Throws<InvalidDatasetException>(() => OpenArchive(boast, "x", "y")).Message,
            StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    private IDataset Open(byte[] features, byte[] targets)
    {
        string name = Guid.NewGuid().ToString("n");
        return NumpyFormat.Open(new NumpyOptions
        {
            Shards =
            [
                new NumpyFiles(
                    new NumpyArray(_folder.Write(name + "-x.npy", features)),
                    new NumpyArray(_folder.Write(name + "-y.npy", targets))),
            ],
        });
    }

    private IDataset OpenArchive(byte[] archive, string features, string targets)
    {
        string path = _folder.Write(Guid.NewGuid().ToString("n") + ".npz", archive);
        return NumpyFormat.Open(new NumpyOptions
        {
            Shards =
                [new NumpyFiles(new NumpyArray(path, features), new NumpyArray(path, targets))],
        });
    }
}
