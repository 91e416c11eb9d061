using System.Text.RegularExpressions;
using System.Xml.Linq;
using Backprop.Distributed.Configuration;

namespace Backprop.Tidy.Tests;

/// <summary>What the files for containers say is what the program takes and is.</summary>
public sealed partial class ContainerFilesTests
{
    private const string Dockerfile = "deploy/Dockerfile";

    [Fact]
    public void Every_key_that_a_file_for_containers_sets_is_one()
    {
        string[] files =
        [
            Dockerfile, "docker-compose.yml",
            .. Repository.Files.Where(file => file.StartsWith("deploy/compose/")),
        ];
        Dictionary<string, string> variables = files
            .SelectMany(file => Variable().Matches(Repository.Read(file)))
            .Select(match => match.Value).Distinct().ToDictionary(name => name, _ => "nonsense");
        Assert.NotEmpty(variables);

        // Every value is wrong, so that there are mistakes; that of an unknown key is another.
        var failure = Assert.Throws<NodeConfigurationException>(
            () => NodeConfigurationReader.Read(file: null, variables));
        Assert.DoesNotContain(
            failure.Mistakes, mistake => mistake.Contains("there is no key"));
    }

    [Fact]
    public void The_image_has_the_version_of_the_program()
    {
        string version = XDocument.Parse(Repository.Read("Directory.Build.props"))
            .Descendants("Version").Single().Value;
        MatchCollection given = VersionArgument().Matches(Repository.Read(Dockerfile));
        Assert.Equal(2, given.Count);
        Assert.All(given, match => Assert.Equal(version, match.Groups[1].Value));
    }

    [GeneratedRegex("BACKPROP__[A-Z_]+[A-Z]")]
    private static partial Regex Variable();

    [GeneratedRegex(@"^ARG VERSION=(\S+)$", RegexOptions.Multiline)]
    private static partial Regex VersionArgument();
}
