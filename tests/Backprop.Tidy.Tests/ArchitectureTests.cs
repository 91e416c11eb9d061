using System.Xml.Linq;

namespace Backprop.Tidy.Tests;

/// <summary>Holds the tree to the architecture that ARCHITECTURE.md describes.</summary>
public sealed class ArchitectureTests
{
    // Engine <- Data <- Training <- Models <- Distributed <- Console: each may use what lies to its
    // left.
    private static readonly string[] Order =
        ["Engine", "Data", "Training", "Models", "Distributed", "Console"];

    [Fact]
    public void Projects_refer_only_to_the_projects_on_their_left()
    {
        var wrong = new List<string>();
        foreach (string project in Order)
        {
            foreach (string target in ReferencesOf(project, "ProjectReference"))
            {
                string name = Path.GetFileNameWithoutExtension(target).Replace("Backprop.", "");
                int to = Array.IndexOf(Order, name);
                if (to < 0 || to >= Array.IndexOf(Order, project))
                {
                    wrong.Add($"{project} -> {name}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_source_project_is_in_the_order_and_has_a_test_project()
    {
        string[] projects =
        [
            .. Repository.FilesEnding(".csproj").Where(file => file.StartsWith("src/"))
                .Select(file => Path.GetFileNameWithoutExtension(file).Replace("Backprop.", "")),
        ];
        Assert.Equal(Order.Order(), projects.Order());
        foreach (string project in projects)
        {
            Assert.Contains(
                $"tests/Backprop.{project}.Tests/Backprop.{project}.Tests.csproj",
                Repository.Files);
        }
    }

    [Theory]
    [InlineData("Engine", "")]
    [InlineData(
        "Data",
        "CsvHelper K4os.Compression.LZ4 Microsoft.ML.Tokenizers Parquet.Net Snappier StbImageSharp "
        + "ZstdSharp.Port")]
    [InlineData("Training", "System.IO.Hashing")]
    [InlineData("Models", "Google.Protobuf Grpc.Tools")]
    public void The_inner_projects_use_no_other_packages(string project, string allowed)
    {
        IEnumerable<string> packages = ReferencesOf(project, "PackageReference");
        Assert.Equal(allowed.Split(' ', StringSplitOptions.RemoveEmptyEntries), packages);
    }

    [Fact]
    public void Package_versions_stand_in_one_place()
    {
        IEnumerable<string> versioned =
            from file in Repository.FilesEnding(".csproj", "Directory.Build.props")
            from reference in XDocument.Parse(Repository.Read(file)).Descendants("PackageReference")
            where reference.Attribute("Version") is not null
            select $"{file}: {reference.Attribute("Include")?.Value}";
        Assert.Empty(versioned);
    }

    [Fact]
    public void The_root_holds_what_a_newcomer_expects_and_nothing_else()
    {
        string[] expected =
        [
            ".ci", ".dockerignore", ".editorconfig", ".gitattributes", ".gitignore",
            "ARCHITECTURE.md",
            "Backprop.Distributed.sln", "CHANGELOG.md", "CONTRIBUTING.md",
            "Directory.Build.props", "Directory.Packages.props", "LICENSE", "README.md",
            "benchmarks", "data", "deploy", "docker-compose.yml", "docs", "examples", "global.json",
            "hocon", "src", "tests", "tools",
        ];
        IEnumerable<string> entries =
            Repository.Files.Select(file => file.Split('/')[0]).Distinct();
        Assert.Empty(entries.Except(expected));
    }

    private static IEnumerable<string> ReferencesOf(string project, string kind) =>
        XDocument.Parse(Repository.Read($"src/Backprop.{project}/Backprop.{project}.csproj"))
            .Descendants(kind)
            .Select(reference => reference.Attribute("Include")!.Value);
}
