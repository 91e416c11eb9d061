using System.Buffers.Binary;
using System.IO.Compression;
using System.Text.Json;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Engine;

namespace Backprop.Data.Tests.Formats;

/// <summary>Folders of images, held to what Pillow reads of them: tools/fixtures/images.py.
/// </summary>
public sealed class ImageFolderTests : IDisposable
{
    private static readonly string s_images = TableSyntaxTests.Fixture("images");

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // libjpeg and stb_image round a cosine transform and a colour otherwise.
    [Fact]
    public void PixelsAreThoseOfTheFiles()
    {
        using IDataset images = Open(s_images);
        using var expected = JsonDocument.Parse(
            File.ReadAllText(TableSyntaxTests.Fixture("images.json")));
        Assert.Equal(Shape.Of(6, 10, 3), images.FeatureShape);
        Assert.Equal(["flat", "round"], images.Classes());
        Assert.Equal([6L, 3], ClassCounts.Of(images).ToArray());
        long sample = 0;
        foreach (JsonProperty file in expected.RootElement.GetProperty("pixels").EnumerateObject())
        {
            float tolerance = file.Name.EndsWith(".png", StringComparison.Ordinal) ? 0 : 4;
            float[] pixels = images.Features(sample);
            float[] wanted = [.. file.Value.EnumerateArray().Select(value => value.GetSingle())];
            Assert.Equal(wanted.Length, pixels.Length);
            Assert.All(
                pixels.Zip(wanted), pair => Assert.Equal(pair.Second, pair.First, tolerance));
            Assert.Equal(file.Name.StartsWith("flat", StringComparison.Ordinal) ? 0 : 1,
                images.Label(sample));
            sample++;
        }

        Assert.Equal(images.Count, sample);
    }

    // ITU-R BT.601 in 8 bits, as stb_image has it: (77 r + 150 g + 29 b) / 256.
    [Fact]
    public void GreyIsTheBrightnessOfColours()
    {
        using IDataset colours = Open(s_images);
        using IDataset grey = ImageFolderFormat.Open(
            new ImageFolderOptions { Path = s_images, IsGrey = true });
        Assert.Equal(Shape.Of(6, 10), grey.FeatureShape);
        float[] pixels = colours.Features(0);
        Assert.Equal(
            Enumerable.Range(0, 60).Select(i => MathF.Floor(
                ((77 * pixels[3 * i]) + (150 * pixels[(3 * i) + 1]) + (29 * pixels[(3 * i) + 2]))
                / 256)),
            grey.Features(0));
    }

    [Fact]
    public void OrderIsThatOfNamesWhateverTheFileSystemSays()
    {
        byte[] file = File.ReadAllBytes(Path.Combine(s_images, "flat", "a-rgb.png"));
        byte[] other = File.ReadAllBytes(Path.Combine(s_images, "flat", "e-bits.png"));
        string path = Folder(
            ("b/2.png", file), ("b/10.PNG", other), ("B/x.png", other), ("a/x.png", file),
            ("a/.hidden", []));
        using IDataset images = Open(path);
        Assert.Equal(["B", "a", "b"], images.Classes());
        Assert.Equal([0f, 1, 2, 2], Enumerable.Range(0, 4).Select(i => images.Label(i)));
        Assert.Equal(images.Features(0), images.Features(2));
        Assert.Equal(images.Features(1), images.Features(3));

        string test = Folder(("b/1.png", file));
        using IDataset following = ImageFolderFormat.Open(
            new ImageFolderOptions { Path = test, Classes = [.. images.Classes()] });
        Assert.Equal(2, following.Label(0));
    }

    [Fact]
    public void WhatAFolderMustNotHoldIsRefusedByName()
    {
        byte[] image = File.ReadAllBytes(Path.Combine(s_images, "flat", "a-rgb.png"));
        Refuses("there is no such folder", _folder.PathOf("nowhere"));
        Refuses("there are no folders in it", Folder(("a/.hidden", [])) + "/a");
        Refuses(
            "beside folders there is a file in it, x.png",
            Folder(("a/1.png", image), ("x.png", image)));
        Refuses("there are no images in it", Folder(("a/1.png", image), ("b/.x", [])));
        Refuses("notes.txt: it is no image", Folder(("a/1.png", image), ("a/notes.txt", image)));
        Refuses("deep: it is no image", Folder(("a/1.png", image), ("a/deep/2.png", image)));
        Refuses("it is neither PNG nor JPEG", Folder(("a/1.png", [.. "GIF89a"u8])));
        Refuses("the file is empty", Folder(("a/1.png", [])));
        string path = Folder(("a/1.png", image));
        Assert.Contains(
            "its size is 6x10, where 28x28 is asked for",
            Assert.Throws<InvalidDatasetException>(() => ImageFolderFormat.Open(
                new ImageFolderOptions { Path = path, Size = new ImageSize(28, 28) })).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "there is no such class; the classes are b",
            Assert.Throws<InvalidDatasetException>(() => ImageFolderFormat.Open(
                new ImageFolderOptions { Path = path, Classes = ["b"] })).Message,
            StringComparison.Ordinal);
        Refuses(
            "2.png: its size is 3x2, where ",
            Folder(("a/1.png", image), ("a/2.png", Png(3, 2, new byte[3 * 3]))));
    }

    // A header of a few bytes, or pixels that are a thousand times as many as it says.
    [Theory]
    [InlineData(30_000, 30_000, 100, "its size is 30000x30000")]
    [InlineData(0, 4, 0, "its header is damaged")]
    [InlineData(4, 4, 64 << 20, "it holds more than the pixels of 4x4")]
    public void AnImageThatIsLargerThanItShouldBeCostsNothing(
        int height, int width, int bytes, string expected)
    {
        string path = Folder(("a/1.png", Png(height, width, new byte[bytes])));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refuses(expected, path);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
    }

    [Fact]
    public void FeaturesAloneAreReadFromAFileOrAFolder()
    {
        string flat = Path.Combine(s_images, "flat");
        using IDataset folder = ImageFolderFormat.OpenFeatures(
            new ImageFolderOptions { Path = flat });
        using IDataset file = ImageFolderFormat.OpenFeatures(
            new ImageFolderOptions { Path = Path.Combine(flat, "a-rgb.png") });
        Assert.Equal((6L, 1L), (folder.Count, file.Count));
        Assert.Equal(folder.Features(0), file.Features(0));
    }

    private static IDataset Open(string path) =>
        ImageFolderFormat.Open(new ImageFolderOptions { Path = path });

    private static void Refuses(string expected, string path) => Assert.Contains(
        expected, Assert.Throws<InvalidDatasetException>(() => Open(path)).Message,
        StringComparison.Ordinal);

    /// <summary>A grey image of 8 bits whose pixel data are these.</summary>
    private static byte[] Png(int height, int width, byte[] data)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        using var pixels = new MemoryStream();
        using (var compressed = new ZLibStream(pixels, CompressionLevel.Optimal, true))
        {
            compressed.Write(data);
        }

        return
        [
            0x89, .. "PNG\r\n"u8, 0x1A, .. "\n"u8, .. Chunk("IHDR"u8, header),
            .. Chunk("IDAT"u8, pixels.ToArray()), .. Chunk("IEND"u8, []),
        ];
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, byte[] data)
    {
        byte[] chunk = [0, 0, 0, 0, .. type, .. data, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(
            chunk.AsSpan(8 + data.Length), Crc32(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
    }

    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) == 0 ? 0 : 0xEDB88320u);
            }
        }

        return ~crc;
    }

    private string Folder(params (string Name, byte[] Bytes)[] files)
    {
        string root = _folder.PathOf(Guid.NewGuid().ToString("n"));
        foreach ((string name, byte[] bytes) in files)
        {
            string path = Path.Combine(root, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }

        return root;
    }
}
