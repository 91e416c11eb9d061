using System.Text;
using Backprop.Distributed.Links;

namespace Backprop.Distributed.Tests.Links;

public sealed class Crc32CTests
{
    [Fact]
    public void It_gives_the_check_value_of_the_catalogue() =>
        Assert.Equal(0xE3069283u, Crc32C.Of(Encoding.ASCII.GetBytes("123456789")));

    // RFC 3720, appendix B.4.
    [Theory]
    [InlineData(0x00, 0x8A9136AAu)]
    [InlineData(0xFF, 0x62A8AB43u)]
    public void It_gives_the_values_of_the_standard(byte value, uint expected) =>
        Assert.Equal(expected, Crc32C.Of(Enumerable.Repeat(value, 32).ToArray()));

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(12_287)]
    [InlineData(12_288)]
    [InlineData(12_297)]
    [InlineData(65_543)]
    public void Three_chains_give_what_one_bit_after_the_other_gives(int length)
    {
        byte[] bytes = new byte[length];
        new Random(5).NextBytes(bytes);
        uint register = uint.MaxValue;
        foreach (byte value in bytes)
        {
            register ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                register = (register >> 1) ^ ((register & 1) * 0x82F63B78u);
            }
        }

        Assert.Equal(~register, Crc32C.Of(bytes));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(12_289)]
    [InlineData(40_000)]
    public void Parts_have_the_checksum_of_the_whole(int cut)
    {
        byte[] bytes = [.. Enumerable.Range(0, 40_000).Select(i => (byte)(i * 31 >> 3))];

        uint first = Crc32C.Append(0, bytes.AsSpan(0, cut));

        Assert.Equal(Crc32C.Of(bytes), Crc32C.Append(first, bytes.AsSpan(cut)));
    }
}
