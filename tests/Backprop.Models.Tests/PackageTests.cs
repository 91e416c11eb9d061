using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Training.Tests.Specification;

namespace Backprop.Models.Tests;

/// <summary>The libraries as packages, and a program that has nothing else of this repository.
/// </summary>
public sealed partial class PackageTests : IDisposable
{
    private const string Version = "0.1.0";
    private static readonly string[] s_packages =
        ["Backprop.Engine", "Backprop.Data", "Backprop.Training", "Backprop.Models"];

    private readonly string _directory =
        Directory.CreateTempSubdirectory("backprop-packages-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [SkippableTheory]
    [InlineData("README.md", @"^setosa \(\d+\.\d ?%\)\s*$")]
    [InlineData(
        "docs/library.md", @"^epoch 500: loss 0\.\d{4}\s+different \((9\d|100)\.\d ?%\)\s*$")]
    public void A_program_with_the_packages_alone_runs_the_lines_of_a_page(
        string page, string expected)
    {
        Pack();
        string program = Path.Combine(_directory, "program");
        Directory.CreateDirectory(Path.Combine(program, "runs", "iris"));
        File.WriteAllText(Path.Combine(program, "nuget.config"), Sources());
        File.WriteAllText(Path.Combine(program, "program.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
                <RestorePackagesPath>{Path.Combine(_directory, "restored")}</RestorePackagesPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Backprop.Models" Version="{Version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(program, "Program.cs"), Example(page));
        (int restored, string said) = DotnetTool.Run(program, "restore", "program.csproj");
        Skip.If(
            restored != 0 && said.Contains("NU1301", StringComparison.Ordinal),
            $"packages of others cannot be had here: {said}");
        Assert.True(restored == 0, said);
        WriteModel(Path.Combine(program, "runs", "iris", "model.bpm"));
        (int ended, string output) = DotnetTool.Run(
            program, "run", "--no-restore", "--project", "program.csproj");
        Assert.True(ended == 0, output);
        Assert.Matches(expected, output);
    }

    [Fact]
    public void The_guide_shows_what_the_readme_does() => Assert.Equal(
        Example("README.md"), Example(Path.Combine("docs", "interchange.md")));

    [Fact]
    public void Packages_bring_documentation_symbols_readme_and_licence()
    {
        Pack();
        foreach (string package in s_packages)
        {
            using var archive = ZipFile.OpenRead(
                Path.Combine(_directory, $"{package}.{Version}.nupkg"));
            string[] entries = [.. archive.Entries.Select(entry => entry.FullName)];
            Assert.Contains($"lib/net10.0/{package}.dll", entries);
            Assert.Contains($"lib/net10.0/{package}.xml", entries);
            Assert.Contains("README.md", entries);
            Assert.Contains("LICENSE", entries);
            XDocument nuspec = XDocument.Load(archive.GetEntry($"{package}.nuspec")!.Open());
            XNamespace schema = nuspec.Root!.Name.Namespace;
            Assert.Equal("Apache-2.0", nuspec.Descendants(schema + "license").Single().Value);
            Assert.Equal("README.md", nuspec.Descendants(schema + "readme").Single().Value);
            Assert.False(string.IsNullOrWhiteSpace(
                nuspec.Descendants(schema + "description").Single().Value));
            using var symbols = ZipFile.OpenRead(
                Path.Combine(_directory, $"{package}.{Version}.snupkg"));
            Assert.Contains(
                $"lib/net10.0/{package}.pdb", symbols.Entries.Select(entry => entry.FullName));
        }
    }

    private void Pack()
    {
        foreach (string package in s_packages)
        {
            (int ended, string said) = DotnetTool.Run(
                RepositoryPaths.Root, "pack", Path.Combine("src", package), "--no-build",
                "--configuration", DotnetTool.Configuration, "--output", _directory);
            Assert.True(ended == 0, said);
        }
    }

    // The packages of others lie where this project's own were restored to.
    private string Sources()
    {
        string shared = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(
                Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget",
                "packages");
        return $"""
            <configuration>
              <packageSources>
                <add key="packed" value="{_directory}" />
              </packageSources>
              <fallbackPackageFolders>
                <add key="shared" value="{shared}" />
              </fallbackPackageFolders>
            </configuration>
            """;
    }

    private static void WriteModel(string path)
    {
        using Model model = TrialModel.Of(
            TrialModel.Specification("{ dense = 3 }", "softmax-cross-entropy"), Shape.Of(4),
            DataPreparation.None, classes: ["setosa", "versicolor", "virginica"]);
        Span<float> weights = model.Members[0].Span;
        weights.Clear();
        weights[0] = 1;
        using FileStream stream = File.Create(path);
        model.WriteTo(stream);
    }

    private static string Example(string page)
    {
        string text = File.ReadAllText(Path.Combine(RepositoryPaths.Root, page));
        return CSharp().Matches(text).Single().Groups[1].Value;
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharp();
}
