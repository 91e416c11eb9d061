using System.Text.RegularExpressions;
using Backprop.Distributed.Configuration;

namespace Backprop.Tidy.Tests;

/// <summary>What is deployed is what the program takes and the documentation describes.</summary>
public sealed partial class DeploymentTests
{
    private const string Operations = "docs/operations.md";

    [Theory]
    [InlineData("coordinator", "Coordinator")]
    [InlineData("parameter-server", "ParameterServer")]
    [InlineData("worker", "Worker")]
    [InlineData("console", "Console")]
    [InlineData("all-in-one", "Coordinator, ParameterServer, Worker")]
    public void The_configuration_of_a_role_is_taken(string name, string roles)
    {
        string file = $"deploy/hocon/{name}.conf";
        bool isShared = name != "all-in-one";
        NodeConfiguration node = NodeConfigurationReader.Read(
            new ConfigurationText(file, Repository.Read(file)),
            isShared
                ? new Dictionary<string, string>
                {
                    ["BACKPROP__PERSISTENCE__CONNECTION_STRING"] = "Host=db;Database=backprop",
                }
                : new Dictionary<string, string>());
        Assert.Equal(roles, $"{node.Member.Roles}");
        Assert.Equal(isShared ? 3 : 1, node.Cluster.Coordinators);
        Assert.True(node.Metrics.Enabled);
        Assert.True(node.Member.ShutdownGrace * 2 < StopTime());
    }

    [Fact]
    public void Every_file_of_a_role_is_tried_above() =>
        Assert.Equal(5, Repository.Files.Count(file => file.StartsWith("deploy/hocon/")));

    [Fact]
    public void Every_alert_has_a_section_that_says_what_to_do()
    {
        string[] alerts =
        [
            .. Alert().Matches(Repository.Read("deploy/prometheus/alerts.yml"))
                .Select(match => match.Groups[1].Value),
        ];
        string[] sections =
        [
            .. AlertSection().Matches(Repository.Read(Operations))
                .Select(match => match.Groups[1].Value),
        ];
        Assert.NotEmpty(alerts);
        Assert.Equal(alerts.Order(), sections.Order());
        string[] manuals =
        [
            .. Manual().Matches(Repository.Read("deploy/prometheus/alerts.yml"))
                .Select(match => match.Groups[1].Value),
        ];
        Assert.Equal(
            alerts.Select(alert => $"{Operations}#{alert.ToLowerInvariant()}"), manuals);
    }

    // What the unit grants a node that leaves.
    private static TimeSpan StopTime() => TimeSpan.FromSeconds(int.Parse(
        StopSeconds().Match(Repository.Read("deploy/systemd/backprop@.service"))
            .Groups[1].Value));

    [GeneratedRegex(@"^ +- alert: (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Alert();

    [GeneratedRegex(@"^ +manual: ""(.+)""$", RegexOptions.Multiline)]
    private static partial Regex Manual();

    [GeneratedRegex(@"^#+ (Backprop\w+)$", RegexOptions.Multiline)]
    private static partial Regex AlertSection();

    [GeneratedRegex(@"^TimeoutStopSec=(\d+)$", RegexOptions.Multiline)]
    private static partial Regex StopSeconds();
}
