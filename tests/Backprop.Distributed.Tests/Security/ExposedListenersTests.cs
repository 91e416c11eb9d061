using Backprop.Distributed.Configuration;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Tests.Security;

/// <summary>Nobody is exposed without having said so.</summary>
public sealed class ExposedListenersTests
{
    [Theory]
    [InlineData("")]
    [InlineData("NODE__HOST=localhost")]
    [InlineData("NODE__HOST=127.0.0.2 API__HOST=::1 METRICS__ENABLED=true")]
    [InlineData("METRICS__HOST=0.0.0.0")]
    [InlineData("NODE__HOST=10.1.2.3 NODE__BIND_HOST=127.0.0.1")]
    [InlineData("API__HOST=0.0.0.0 NODE__ROLES=worker CLUSTER__JOIN=127.0.0.1:1")]
    [InlineData("NODE__HOST=10.1.2.3 API__HOST=0.0.0.0 INSECURE=true")]
    [InlineData("NODE__HOST=10.1.2.3 TLS__AUTHORITY=a TLS__CERTIFICATE=c TLS__KEY=k")]
    public void A_node_that_only_this_machine_reaches_or_that_has_TLS_may_start(string settings) =>
        Assert.Null(Refusal(settings));

    [Theory]
    [InlineData("NODE__HOST=10.1.2.3", "control messages and tensor links at 10.1.2.3")]
    [InlineData("NODE__BIND_HOST=0.0.0.0", "control messages and tensor links at 0.0.0.0")]
    [InlineData("API__HOST=0.0.0.0", "the API at 0.0.0.0")]
    [InlineData("METRICS__ENABLED=true METRICS__HOST=::", "metrics at ::")]
    [InlineData(
        "NODE__HOST=10.1.2.3 API__HOST=10.1.2.3",
        "control messages and tensor links at 10.1.2.3, the API at 10.1.2.3")]
    public void One_that_others_reach_without_may_not(string settings, string where) =>
        Assert.Equal(
            $"other machines would reach {where} without TLS: set backprop.tls, for which 'backprop"
            + " certs' makes the files, or, if that is meant, --insecure (backprop.insecure ="
            + " true)",
            Refusal(settings));

    [Fact]
    public void The_files_are_given_all_or_none()
    {
        var failure = Assert.Throws<NodeConfigurationException>(
            () => Read("TLS__CERTIFICATE=c"));
        Assert.Equal(
            [
                "backprop.tls.authority: is empty, but backprop.tls.certificate is not: authority,"
                + " certificate, key are given together, or none of them",
                "backprop.tls.key: is empty, but backprop.tls.certificate is not: authority,"
                + " certificate, key are given together, or none of them",
            ],
            failure.Mistakes.AsEnumerable());
    }

    private static string? Refusal(string settings)
    {
        NodeConfiguration node = Read(settings);
        return ExposedListeners.Refusal(node, node.Member.ResolveHost());
    }

    private static NodeConfiguration Read(string settings) => NodeConfigurationReader.Read(
        null, settings.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(setting => setting.Split('='))
            .ToDictionary(pair => $"BACKPROP__{pair[0]}", pair => pair[1]));
}
