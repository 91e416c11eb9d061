using System.Text.RegularExpressions;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Specification;

public sealed class SpecificationReferenceTests
{
    private static readonly string Page =
        Path.Combine(RepositoryPaths.Root, "docs", "specification.md");

    /// <summary>With UPDATE_REFERENCE=1 the page is written anew.</summary>
    [Fact]
    public void The_page_says_what_the_code_reads()
    {
        if (Environment.GetEnvironmentVariable("UPDATE_REFERENCE") == "1")
        {
            File.WriteAllText(Page, SpecificationReference.ToMarkdown());
        }

        Assert.Equal(SpecificationReference.ToMarkdown(), File.ReadAllText(Page));
    }

    [Fact]
    public void Every_key_of_every_run_file_is_on_the_page()
    {
        string page = File.ReadAllText(Page);
        foreach (string file in RunFiles.All)
        {
            string text = File.ReadAllText(Path.Combine(RepositoryPaths.Runs, file));
            RunSpecification run = RunFiles.Read(file);
            string[] names =
            [
                .. run.Inputs.Select(input => input.Name),
                .. run.Outputs.SelectMany(output => new[] { output.Name, output.Target ?? "" }),
            ];
            MatchCollection keys =
                Regex.Matches(text, @"^[ ]*([a-z0-9-]+) [={]", RegexOptions.Multiline);
            foreach (Match key in keys.Where(key => !names.Contains(key.Groups[1].Value)))
            {
                Assert.Contains($"`{key.Groups[1].Value}`", page, StringComparison.Ordinal);
            }
        }
    }
}
