using System.Buffers.Binary;
using System.Text;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;

namespace Backprop.Data.Tests.Tensors;

/// <summary>Files of safetensors, by the format's description.</summary>
public sealed class SafetensorsTests
{
    private const string Two = """
        {"__metadata__":{"format":"pt"},
         "b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},
         "a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}
        """;

    private static readonly byte[] s_two =
        Bytes(Two, [0x00, 0x3C, 0x00, 0xC0, 0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC0]);

    [Fact]
    public void Tensors_are_read_by_name_whatever_their_order()
    {
        using SafetensorsFile file = Open(s_two);
        Assert.Equal(["a", "b"], file.Names.Order());
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal([1f, -2], Read(file, "a", 2));
        Assert.Equal([1f, -2.5f], Read(file, "b", 2));
        Assert.Equal([2L, 1], file.Find("b")!.Shape.AsEnumerable());
        Assert.Null(file.Find("c"));
    }

    [Theory]
    [InlineData("F64", new byte[] { 0, 0, 0, 0, 0, 0, 0xE0, 0x3F }, 0.5f)]
    [InlineData("F32", new byte[] { 0, 0, 0xC0, 0x3F }, 1.5f)]
    [InlineData("F16", new byte[] { 0x00, 0xC1 }, -2.5f)]
    [InlineData("BF16", new byte[] { 0x40, 0xC0 }, -3f)]
    public void Every_floating_type_is_read(string type, byte[] bytes, float expected)
    {
        string header = $$$"""
            {"x":{"dtype":"{{{type}}}","shape":[],"data_offsets":[0,{{{bytes.Length}}}]}}
            """;
        using SafetensorsFile file = Open(Bytes(header, bytes));
        Assert.Equal([expected], Read(file, "x", 1));
    }

    [Theory]
    [InlineData("I32", "F64, F32, F16 and BF16 can be read")]
    [InlineData("F8_E4M3", "F64, F32, F16 and BF16 can be read")]
    [InlineData("F32", "only finite numbers")]
    public void What_is_no_finite_number_is_refused_when_it_is_read(string type, string remedy)
    {
        string header = $$$"""
            {"x":{"dtype":"{{{type}}}","shape":[1],"data_offsets":[0,4]}}
            """;
        using SafetensorsFile file = Open(Bytes(header, [0, 0, 0xC0, 0x7F]));
        var refused = Assert.Throws<InvalidDatasetException>(() => Read(file, "x", 1));
        Assert.Contains("'x'", refused.Message);
        Assert.Contains(remedy, refused.Message);
    }

    [Fact]
    public void A_header_of_two_to_the_sixty_bytes_is_refused_before_memory_is_taken()
    {
        byte[] file = [0, 0, 0, 0, 0, 0, 0, 0x10, .. s_two[8..]];
        InvalidDatasetException? refused = null;
        long allocated = Allocations.OfSteadyState(() =>
            refused = Assert.Throws<InvalidDatasetException>(() => Open(file)));
        Assert.Contains("1,152,921,504,606,846,976 bytes", refused!.Message);
        Assert.InRange(allocated, 0, 1 << 20);
    }

    [Theory]
    [InlineData("""{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "span as many")]
    [InlineData("""{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData(
        """{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""",
        "span as many")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "span as many")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}""", "have two")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "without gaps")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "4 bytes follow")]
    [InlineData(
        """
        {"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
         "y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}
        """,
        "without gaps")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}""", "within the file")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2]}}""", "no 'data_offsets'")]
    [InlineData("""{"x":7}""", "cannot be read")]
    [InlineData("""[1]""", "cannot be read")]
    [InlineData("""{"x":{},"x":{}}""", "cannot be read")]
    [InlineData("""{"x":""", "cannot be read")]
    public void A_header_that_makes_no_sense_is_refused_with_what_would(
        string header, string part)
    {
        var refused = Assert.Throws<InvalidDatasetException>(
            () => Open(Bytes(header, new byte[8])));
        Assert.StartsWith("trial", refused.Message);
        Assert.Contains(part, refused.Message);
    }

    [Fact]
    public void A_damaged_file_is_read_or_refused_and_costs_no_more_than_it_has()
    {
        for (int seed = 0; seed < 3000; seed++)
        {
            byte[] damaged = Mutations.Of(s_two, new Random(seed));
            try
            {
                using SafetensorsFile file = Open(damaged);
                foreach (string name in file.Names)
                {
                    TensorEntry entry = file.Find(name)!;
                    Assert.True(entry.Offset + entry.Bytes <= damaged.Length);
                    int count = (int)entry.Shape.Aggregate(1L, (product, d) => product * d);
                    Read(file, name, count);
                }
            }
            catch (InvalidDatasetException refused)
            {
                Assert.StartsWith("trial", refused.Message);
            }
        }
    }

    [Fact]
    public void What_is_written_is_read_again_and_aligned()
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.Write(
            [
                new WrittenTensor("x.weight", [2, 3], () => new float[] { 1, 2, 3, 4, 5, -0f }),
                new WrittenTensor("y", [1], () => new float[] { 7 }),
            ],
            new Dictionary<string, string> { ["said"] = "ä\"" }, stream);
        Assert.Equal(
            0UL, BinaryPrimitives.ReadUInt64LittleEndian(stream.ToArray()) % 8);
        using SafetensorsFile file = Open(stream.ToArray());
        Assert.Equal("ä\"", file.Metadata["said"]);
        float[] x = Read(file, "x.weight", 6);
        Assert.Equal([1, 2, 3, 4, 5, -0f], x);
        Assert.True(float.IsNegative(x[5]));
        Assert.Equal([7f], Read(file, "y", 1));
    }

    [Fact]
    public void An_index_finds_tensors_in_the_files_beside_it()
    {
        using var folder = new DataFolder();
        folder.Write("model-1.safetensors", Bytes(
            """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", [0, 0, 0x80, 0x3F]));
        folder.Write("model-2.safetensors", s_two);
        string index = folder.Write("model.safetensors.index.json", Encoding.UTF8.GetBytes(
            """
            {"metadata": {"total_size": 12},
             "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors",
                            "c": "model-2.safetensors"}}
            """));
        using ITensorFile file = SafetensorsIndex.Open(index);
        Assert.Equal("12", file.Metadata["total_size"]);
        Assert.Equal([1f], Read(file, "a", 1));
        Assert.Equal([1f, -2.5f], Read(file, "b", 2));
        Assert.Null(file.Find("c"));
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "../secret.safetensors"}}""", "without a directory")]
    [InlineData("""{"weight_map": {"a": "/etc/passwd"}}""", "without a directory")]
    [InlineData("""{"weight_map": {"a": 7}}""", "it is no index")]
    [InlineData("""{"map": {}}""", "it is no index")]
    [InlineData("""nothing""", "it is no index")]
    public void An_index_names_files_beside_it_or_is_refused(string text, string part)
    {
        using var folder = new DataFolder();
        string index = folder.Write("x.index.json", Encoding.UTF8.GetBytes(text));
        var refused = Assert.Throws<InvalidDatasetException>(() => SafetensorsIndex.Open(index));
        Assert.Contains(part, refused.Message);
    }

    [Fact]
    public void An_index_is_not_got_by_HTTP()
    {
        string url = "https://example.org/x.safetensors.index.json#sha256=" + new string('a', 64);
        var refused = Assert.Throws<InvalidDatasetException>(
            () => new DataSourceOpener().OpenTensors(url));
        Assert.Contains("the URL of a single file", refused.Message);
    }

    private static byte[] Bytes(string header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        var length = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        return [.. length, .. text, .. data];
    }

    private static SafetensorsFile Open(byte[] bytes) =>
        SafetensorsFile.Open("trial", new MemoryStream(bytes));

    private static float[] Read(ITensorFile file, string name, int count)
    {
        var values = new float[count];
        file.Read(name, values);
        return values;
    }
}
