using System.Security.Cryptography;

namespace Backprop.Data.Tests;

public sealed class DatasetDigestTests
{
    private static readonly InMemoryDataset Set =
        InMemoryDataset.OfClasses("set", [[1f, -2], [0.5f, 0]], [0, 1], ["a", "b"]);

    [Fact]
    public void TheDigestIsOfTheContentLittleEndian()
    {
        byte[] content =
        [
            .. "2\n2\nclasses\na\nb\n"u8,
            0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0, 0,
            0, 0, 0, 0x3F, 0, 0, 0, 0, 0, 0, 0x80, 0x3F,
        ];
        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(content)), DatasetDigest.Compute(Set));
    }

    [Fact]
    public void EveryChangeChangesTheDigest()
    {
        string[] digests =
        [
            DatasetDigest.Compute(Set),
            Digest([[1f, -2], [0.5f, -0f]], [0, 1], "b"),
            Digest([[1f, -2], [0.5f, 0]], [1, 1], "b"),
            Digest([[0.5f, 0], [1f, -2]], [1, 0], "b"),
            Digest([[1f, -2], [0.5f, 0]], [0, 1], "c"),
        ];
        Assert.Equal(digests.Length, digests.Distinct().Count());
    }

    private static string Digest(float[][] features, int[] labels, string second) =>
        DatasetDigest.Compute(
            InMemoryDataset.OfClasses("other", features, labels, ["a", second]));
}
