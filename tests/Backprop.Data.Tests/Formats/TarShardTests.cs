using System.Formats.Tar;
using System.Text;
using Backprop.Data.Formats;
using Backprop.Data.Sources;
using Backprop.Engine;

namespace Backprop.Data.Tests.Formats;

/// <summary>Tar archives, as the base class library writes them in each of its formats.</summary>
public sealed class TarShardTests : IDisposable
{
    private static readonly string s_images = TableSyntaxTests.Fixture("images");

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void SamplesAreThoseOfTheFolderOfImages(TarEntryFormat format)
    {
        using IDataset folder = ImageFolderFormat.Open(
            new ImageFolderOptions { Path = s_images });
        string[] files = ImageFiles();
        string[] shards =
        [
            Tar(format, files[..5].SelectMany(MembersOf)),
            Tar(format, files[5..].SelectMany(MembersOf)),
        ];
        using IDataset images = Open(shards);
        Assert.Equal(folder.FeatureShape, images.FeatureShape);
        Assert.Equal(DatasetDigest.Compute(folder), DatasetDigest.Compute(images));

        // At random, and by several threads at once.
        Parallel.For(0, 200, i =>
        {
            long sample = i * 7 % images.Count;
            Assert.Equal(folder.Features(sample), images.Features(sample));
            Assert.Equal(folder.Label(sample), images.Label(sample));
        });
    }

    // A long name is an extended header in pax's format, and a member before its own in GNU's.
    [Theory]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void LongNamesAndArraysAndClassNumbersAreRead(TarEntryFormat format)
    {
        string folder = string.Concat(Enumerable.Repeat("a-long-folder/", 30));
        string path = Tar(
            format,
            [
                ("./", null), ("notes.txt", [.. "nothing"u8]),
                (folder + "1.cls", [.. "2\n"u8]),
                (folder + "1.x.json", [.. "{}"u8]),
                (folder + "1.x.npy", NumpyBytes.Npy("<f4", "(2,)", [0, 0, 0x80, 0x3F, 0, 0, 0, 0])),
                (folder + "2.X.NPY", NumpyBytes.Npy("|u1", "(2,)", [3, 4])),
                (folder + "2.cls", [.. "0"u8]),
                (folder + "._2.cls", [0, 1]),
            ]);
        using IDataset arrays = TarShardFormat.Open(
            new TarShardOptions { Paths = [path], Features = [".x.npy"] });
        Assert.Equal(["0", "1", "2"], arrays.Classes());
        Assert.Equal(Shape.Of(2), arrays.FeatureShape);
        Assert.Equal([1f, 0], arrays.Features(0));
        Assert.Equal([3f, 4], arrays.Features(1));
        Assert.Equal((2, 0), (arrays.Label(0), arrays.Label(1)));

        using IDataset named = TarShardFormat.Open(new TarShardOptions
        {
            Paths = [path], Features = [".x.npy"], Classes = ["x", "y", "z"],
        });
        Assert.Equal(["x", "y", "z"], named.Classes());
        Assert.Equal(2, named.Label(0));
        RefusesArrays("there is no class '2'; 2 classes are numbered from 0 to 1", path, "x", "y");
    }

    [Fact]
    public void OpeningKeepsNothingOfTheFeatures()
    {
        const int Samples = 40, FeatureBytes = 1 << 20;
        byte[] array = NumpyBytes.Npy("|u1", $"({FeatureBytes},)", new byte[FeatureBytes]);
        string path = Tar(
            TarEntryFormat.Ustar,
            Enumerable.Range(0, Samples).SelectMany(i => Sample($"{i:D3}", array, "1")));
        long before = GC.GetAllocatedBytesForCurrentThread();
        using IDataset images = TarShardFormat.Open(
            new TarShardOptions { Paths = [path], Features = [".npy"] });
        Assert.Equal(Samples, images.Count);
        Assert.InRange(
            GC.GetAllocatedBytesForCurrentThread() - before, 0, Samples * FeatureBytes / 10);
    }

    [Fact]
    public void WhatDoesNotGoTogetherIsRefusedByMember()
    {
        byte[] array = NumpyBytes.Npy("|u1", "(2,)", [3, 4]);
        Refuses("member '1.npy': there is no .cls beside it", ("1.npy", array));
        Refuses("member '1.cls': there is no .npy or .x.npy beside it", ("1.cls", [.. "1"u8]));
        Refuses(
            "member '2.npy': there is no .cls beside it",
            [.. Sample("1", array, "1"), ("2.npy", array), .. Sample("3", array, "1")]);
        Refuses(
            "member '1.cls', byte 2048: the sample has a class already",
            [.. Sample("1", array, "1"), ("1.cls", [.. "1"u8])]);
        Refuses(
            "member '1.npy', byte 4096: the sample '1' was there before",
            [.. Sample("1", array, "1"), .. Sample("2", array, "1"), ("1.npy", array)]);
        Refuses("there are no samples in it", ("1.png", array));
        Refuses("member '1.cls': it holds no class", Sample("1", array, "\n"));
        Refuses("member '1.cls': it has 300 bytes", Sample("1", array, new string('x', 300)));
        Refuses(
            "member '2.npy': its shape is 1, where ",
            [.. Sample("1", array, "1"), .. Sample("2", NumpyBytes.Npy("|u1", "(1,)", [1]), "1")]);
        byte[] odd = NumpyBytes.Npy("<f4", "(1,)", [0, 0, 0xC0, 0x7F]);
        Refuses($"member '1.npy', byte {odd.Length - 4}: a number is NaN", Sample("1", odd, "1"));
        byte[] half = NumpyBytes.Npy("|u1", "(2000,)", [1]);
        Refuses(
            $"member '1.npy', byte {half.Length}: the file is truncated", Sample("1", half, "1"));
        Refuses("member '../1.npy', byte 0: it leads out", Sample("../1", array, "1"));
        Refuses("member '/1.npy', byte 0: it leads out", Sample("/1", array, "1"));
        RefusesBytes("it is a link; pack the files", Link());
    }

    [Fact]
    public void WhatIsNoWholeArchiveIsRefused()
    {
        byte[] valid = File.ReadAllBytes(
            Tar(TarEntryFormat.Ustar, Sample("1", NumpyBytes.Npy("|u1", "(2,)", [3, 4]), "1")));
        int end = valid.Length - valid.Reverse().TakeWhile(value => value == 0).Count();
        end = (end + 511) / 512 * 512;
        RefusesBytes("it is compressed", [.. DataFolder.Gzip(valid), .. new byte[512]]);
        RefusesBytes("it does not begin with a tar header", new byte[511].Append((byte)1));
        RefusesBytes("the archive is truncated", valid[..end]);
        RefusesBytes(
            "member '1.cls', byte 1024: it is said to have 1 bytes, where the archive ends after 0",
            valid[..(end - 512)]);
        RefusesBytes(
            $"byte {end + 1024}: data follow the archive's end mark",
            [.. valid[..end], .. new byte[1024], .. valid]);
        RefusesBytes(
            "data follow the archive's end mark", [.. valid[..end], .. new byte[(2 << 20) + 1024]]);
        RefusesBytes("byte 1024: here should be a header", With(valid, 1030, 1));

        // A length of 2^62, as GNU tar would write it, and one that is no number.
        var size = new byte[12];
        size[0] = 0x80;
        size[4] = 0x40;
        RefusesBytes(
            "byte 0: it is said to have 4,611,686,018,427,387,904 bytes",
            WithChecksum([.. valid[..124], .. size, .. valid[136..]]));
        RefusesBytes(
            "byte 0: its length is no number",
            WithChecksum([.. valid[..124], .. "12345678901\0"u8, .. valid[136..]]));
    }

    // An extended header may say that it has gigabytes.
    [Fact]
    public void AnExtendedHeaderCostsNothingButWhatIsThere()
    {
        byte[] valid = File.ReadAllBytes(Tar(
            TarEntryFormat.Pax, Sample("1", NumpyBytes.Npy("|u1", "(2,)", [3, 4]), "1")));
        Assert.Equal((byte)'x', valid[156]);
        byte[] large = WithChecksum(
            [.. valid[..124], .. "00000400001\0"u8, .. valid[136..], .. new byte[1 << 18]]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        RefusesBytes("its extended header has 131,073 bytes", large);
        RefusesBytes(
            "it is said to have 8,589,934,591 bytes",
            WithChecksum([.. valid[..124], .. "77777777777\0"u8, .. valid[136..]]));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        RefusesBytes("its extended header is damaged", With(valid, 512, (byte)'9'));
    }

    [Fact]
    public void NamesStandForFilesByNumberAndByPattern()
    {
        Assert.Equal(["a-08", "a-09", "a-10"], Expanded("a-{08..10}"));
        Assert.Equal(["1/x0", "1/x1", "2/x0", "2/x1"], Expanded("{1..2}/x{0..1}"));
        Assert.Equal(["{a}{1..}{..2}{x..y}"], Expanded("{a}{1..}{..2}{x..y}"));
        Assert.Contains("from 3 down to 1", Mistake("{3..1}"), StringComparison.Ordinal);
        Assert.Contains("100,000 files", Mistake("{0..999}{0..100}"), StringComparison.Ordinal);
        Assert.Contains("100,000 files", Mistake("{0..2147483647}"), StringComparison.Ordinal);

        foreach (string name in new[] { "s-2.tar", "s-10.tar", ".s-1.tar", "s-2.tar.gz", "t.tar" })
        {
            _folder.Write(name, "x");
        }

        Assert.Equal(
            [_folder.PathOf("s-10.tar"), _folder.PathOf("s-2.tar")],
            Matching(_folder.PathOf("*-*.tar")));
        Assert.Equal([_folder.PathOf("t.tar")], Matching(_folder.PathOf("?.tar")));
        Assert.Equal(["no such file"], Matching("no such file"));
        RefusesPattern("no file has such a name", _folder.PathOf("u*"));
        RefusesPattern("its folder cannot be looked into", _folder.PathOf("nowhere/u*"));
        RefusesPattern("in the name of a folder", _folder.PathOf("*/t.tar"));
    }

    /// <summary>Fixture images in the order of their folders, as members of the same order.
    /// </summary>
    private static string[] ImageFiles() =>
    [
        .. Directory.GetFiles(s_images, "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal),
    ];

    private static IEnumerable<(string Name, byte[]? Bytes)> MembersOf(string file)
    {
        string folder = Path.GetFileName(Path.GetDirectoryName(file)!);
        string key = $"{folder}/{Path.GetFileNameWithoutExtension(file)}";
        return
        [
            (key + Path.GetExtension(file), File.ReadAllBytes(file)),
            (key + ".cls", Encoding.UTF8.GetBytes(folder)),
        ];
    }

    internal static (string Name, byte[]? Bytes)[] Sample(string key, byte[] array, string label) =>
        [(key + ".npy", array), (key + ".cls", Encoding.UTF8.GetBytes(label))];

    private static IDataset Open(params string[] paths) =>
        TarShardFormat.Open(new TarShardOptions { Paths = [.. paths] });

    private static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    private static byte[] WithChecksum(byte[] bytes)
    {
        bytes.AsSpan(148, 8).Fill((byte)' ');
        int sum = bytes[..512].Sum(value => value);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ")
            .CopyTo(bytes.AsSpan(148));
        return bytes;
    }

    private static string[] Expanded(string name)
    {
        Assert.True(FilePattern.TryExpand(name, out var files, out string? mistake), mistake);
        return [.. files];
    }

    private static string[] Matching(string path) => [.. FilePattern.Matching(path)];

    private static string Mistake(string name)
    {
        Assert.False(FilePattern.TryExpand(name, out _, out string? mistake));
        return mistake;
    }

    private static void RefusesPattern(string expected, string path) => Assert.Contains(
        expected,
        Assert.Throws<InvalidDatasetException>(() => FilePattern.Matching(path)).Message,
        StringComparison.Ordinal);

    private static byte[] Link()
    {
        using var buffer = new MemoryStream();
        using (var writer = new TarWriter(buffer, TarEntryFormat.Ustar))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "1.npy")
            {
                LinkName = "/etc/passwd",
            });
        }

        return buffer.ToArray();
    }

    private void Refuses(string expected, params (string Name, byte[]? Bytes)[] members) =>
        RefusesBytes(expected, File.ReadAllBytes(Tar(TarEntryFormat.Ustar, members)));

    private void RefusesBytes(string expected, IEnumerable<byte> archive) =>
        RefusesArrays(expected, _folder.Write("refused.tar", [.. archive]));

    private static void RefusesArrays(string expected, string path, params string[] classes)
    {
        InvalidDatasetException refusal = Assert.Throws<InvalidDatasetException>(() =>
        {
            using IDataset dataset = TarShardFormat.Open(new TarShardOptions
            {
                Paths = [path],
                Features = [".npy", ".x.npy"],
                Classes = classes.Length > 0 ? [.. classes] : null,
            });
            for (long sample = 0; sample < dataset.Count; sample++)
            {
                dataset.Features(sample);
            }
        });
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(path, refusal.Message, StringComparison.Ordinal);
    }

    private string Tar(
        TarEntryFormat format, IEnumerable<(string Name, byte[]? Bytes)> members) =>
        Tar(_folder, format, members);

    internal static string Tar(
        DataFolder folder, TarEntryFormat format,
        IEnumerable<(string Name, byte[]? Bytes)> members)
    {
        string path = folder.PathOf(Guid.NewGuid().ToString("n") + ".tar");
        using FileStream file = File.Create(path);
        using var writer = new TarWriter(file, format);
        foreach ((string name, byte[]? bytes) in members)
        {
            TarEntryType kind = bytes is null ? TarEntryType.Directory
                : format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile
                : TarEntryType.RegularFile;
            TarEntry entry = format switch
            {
                TarEntryFormat.V7 => new V7TarEntry(kind, name),
                TarEntryFormat.Ustar => new UstarTarEntry(kind, name),
                TarEntryFormat.Pax => new PaxTarEntry(kind, name),
                _ => new GnuTarEntry(kind, name),
            };
            if (bytes is not null)
            {
                entry.DataStream = new MemoryStream(bytes);
            }

            writer.WriteEntry(entry);
        }

        return path;
    }
}
