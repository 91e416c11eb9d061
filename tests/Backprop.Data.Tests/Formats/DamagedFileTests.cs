using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;

namespace Backprop.Data.Tests.Formats;

/// <summary>Whatever a file holds, it is read or refused by name, in bounded memory.</summary>
public sealed class DamagedFileTests : IDisposable
{
    private const int Mutants = 500;
    private const long MaxBytes = 32L << 20;

    private static readonly byte[] Images =
        [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    private static readonly byte[] Labels = [0, 0, 8, 1, 0, 0, 0, 3, 1, 0, 2];

    private static readonly byte[] ThreeRows = NumpyBytes.Npy("|u1", "(3, 2)", [1, 2, 3, 4, 5, 6]);

    private static readonly byte[] ThreeLabels = NumpyBytes.Npy("<i4", "(3,)", new byte[12]);

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DamagedIdxFilesAreReadOrRefused() => Fuzz(Images, path => OpenIdx(path));

    [Fact]
    public void DamagedCompressedIdxFilesAreReadOrRefused() =>
        Fuzz(DataFolder.Gzip(Images), path => OpenIdx(path));

    [Fact]
    public void DamagedNumpyFilesAreReadOrRefused()
    {
        string labels = _folder.Write("labels.npy", ThreeLabels);
        Fuzz(ThreeRows, path => NumpyFormat.Open(new NumpyOptions
        {
            Shards = [new NumpyFiles(new NumpyArray(path), new NumpyArray(labels))],
        }));
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void DamagedNumpyArchivesAreReadOrRefused(CompressionLevel level) => Fuzz(
        NumpyBytes.Npz(level, ("x", ThreeRows), ("y", ThreeLabels)),
        path => NumpyFormat.Open(new NumpyOptions
        {
            Shards = [new NumpyFiles(new NumpyArray(path, "x"), new NumpyArray(path, "y"))],
        }));

    [Fact]
    public void DamagedTablesAreReadOrRefused() => Fuzz(
        Encoding.UTF8.GetBytes("a,b,g,c\n1,\"x, y\",low,k\n2.5e3,z,high,l\n,\"q\",low,k\n"),
        path => TableFormat.Open(new TableOptions
        {
            Paths = [path],
            Target = new TableTarget.Class("c"),
            Missing = new MissingFill(MissingPolicy.Mean),
            Columns =
                [new TableColumn.Categorical("b"), new TableColumn.Ordinal("g", ["low", "high"])],
        }));

    [Theory]
    [InlineData("mixed.jsonl")]
    [InlineData("mixed.parquet")]
    public void DamagedTablesInOtherSyntaxesAreReadOrRefused(string file) => Fuzz(
        File.ReadAllBytes(TableSyntaxTests.Fixture(file)),
        path => TableFormat.Open(TableSyntaxTests.Mixed(
            TableFiles.SyntaxOf(file, new TableSyntax.Csv()), path)));

    [Fact]
    public void DamagedPagesOfEveryCompressionAreReadOrRefused() => Fuzz(
        File.ReadAllBytes(TableSyntaxTests.Fixture("codecs.parquet")),
        path => TableFormat.Open(new TableOptions
        {
            Paths = [path],
            Syntax = new TableSyntax.Parquet(),
            Target = new TableTarget.Values(["id"]),
            Missing = new MissingFill(MissingPolicy.Mean),
        }));

    [Theory]
    [InlineData("flat/a-rgb.png")]
    [InlineData("flat/d-palette.png")]
    [InlineData("round/a-rgb.jpg")]
    [InlineData("round/b-progressive.jpeg")]
    public void DamagedImagesAreReadOrRefused(string file) => Fuzz(
        File.ReadAllBytes(TableSyntaxTests.Fixture(Path.Combine("images", file))),
        path => ImageFolderFormat.OpenFeatures(new ImageFolderOptions { Path = path }));

    [Theory]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void DamagedTarShardsAreReadOrRefused(TarEntryFormat format)
    {
        string tar = TarShardTests.Tar(
            _folder, format,
            Enumerable.Range(0, 3).SelectMany(i => TarShardTests.Sample($"{i}", ThreeRows, "1")));
        Fuzz(File.ReadAllBytes(tar), path => TarShardFormat.Open(
            new TarShardOptions { Paths = [path], Features = [".npy"] }));
    }

    private IDataset OpenIdx(string path) => IdxFormat.Open(new IdxOptions
    {
        Shards = [new IdxFiles(path, _folder.Write("labels", Labels))],
    });

    private void Fuzz(byte[] valid, Func<string, IDataset> open)
    {
        var random = new Random(20_240_607);
        open(_folder.Write("mutant", valid)).Dispose();
        int refused = 0;
        for (int i = 0; i < Mutants; i++)
        {
            string path = _folder.Write("mutant", Mutate(valid, random));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using IDataset dataset = open(path);
                for (long sample = 0; sample < dataset.Count; sample++)
                {
                    dataset.Features(sample);
                    dataset.Targets(sample);
                }
            }
            catch (InvalidDatasetException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MaxBytes);
        }

        Assert.InRange(refused, Mutants / 4, Mutants);
    }

    private static byte[] Mutate(byte[] valid, Random random)
    {
        List<byte> bytes = [.. valid];
        for (int changes = random.Next(1, 4); changes > 0 && bytes.Count > 1; changes--)
        {
            int place = random.Next(bytes.Count);
            int length = Math.Min(random.Next(1, 9), bytes.Count - place);
            switch (random.Next(5))
            {
                case 0:
                    bytes[place] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(place, length);
                    break;
                case 3:
                    int source = random.Next(bytes.Count - length + 1);
                    bytes.InsertRange(place, bytes.GetRange(source, length));
                    break;
                default:
                    bytes.RemoveRange(place, bytes.Count - place);
                    break;
            }
        }

        return [.. bytes];
    }
}
