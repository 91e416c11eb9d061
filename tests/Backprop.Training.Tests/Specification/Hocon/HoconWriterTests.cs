using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification.Hocon;

public class HoconWriterTests
{
    public static TheoryData<string> RunFileNames => [.. RunFiles.All];

    [Theory]
    [MemberData(nameof(RunFileNames))]
    public void Every_shipped_run_is_the_same_in_one_text(string name)
    {
        string file = Path.Combine(RepositoryPaths.Runs, name);
        HoconObject root = HoconReader.Read(File.ReadAllText(file), file, new IncludedFiles());

        Assert.Equal(HoconTexts.Flat(root), HoconTexts.Flat(HoconWriter.Write(root)));
    }

    [Theory]
    [InlineData("""a = "null", b = null, c = "", d = " x ", e = "say \"so\"\\", f = "a//b#c" """)]
    [InlineData("""a = {}, b = [], c = [[1, [2]], {d = e}], "f.g" = 1, "include" = h, "" = i""")]
    [InlineData("""a = "${b}", c = "line\nbreak\u0001", d = -1.5e-3, e = 10 s, f = ü""")]
    [InlineData("""a = "1.", b = -, c = "[x]", d = "a=b", e = "+", f = true""")]
    public void What_needs_quotes_gets_them(string text)
    {
        HoconObject root = HoconReader.Read(text, "test.conf");

        Assert.Equal(HoconTexts.Flat(root), HoconTexts.Flat(HoconWriter.Write(root)));
    }
}
