using System.Diagnostics;
using Backprop.Distributed.Configuration;
using k8s;
using k8s.Models;

namespace Backprop.Tidy.Tests;

/// <summary>What deploy/kubernetes hands to Kubernetes: every field is one that its API has, and
/// the objects fit each other and the program.</summary>
public sealed class KubernetesTests
{
    private const string Base = "deploy/kubernetes/base/";
    private const int ControlPort = 8471;

    private static readonly string[] s_roles = ["coordinator", "parameter-server", "worker"];
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public static TheoryData<string> Folders =>
        [.. Kustomizations().Select(file => Path.GetDirectoryName(file)!.Replace('\\', '/'))];

    public static TheoryData<string> Roles => [.. s_roles];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Every_manifest_is_listed_and_every_one_listed_is_there(string folder)
    {
        Dictionary<string, object> kustomization = KubernetesYaml
            .Deserialize<Dictionary<string, object>>(
                Repository.Read($"{folder}/kustomization.yaml"));
        string[] listed =
            [.. ((List<object>)kustomization["resources"]).Select(entry => $"{entry}")];
        Assert.All(
            listed.Where(entry => entry.StartsWith("..", StringComparison.Ordinal)),
            other => Assert.True(
                Directory.Exists(Path.Combine(Repository.Root, folder, other)), other));
        string[] manifests =
        [
            .. Repository.FilesEnding(".yaml")
                .Where(file => file.StartsWith($"{folder}/", StringComparison.Ordinal))
                .Where(file => Repository.Read(file).Contains("\nkind: "))
                .Select(Path.GetFileName).Where(name => name != "kustomization.yaml").Order()!,
        ];
        Assert.Equal(
            manifests,
            listed.Where(entry => !entry.StartsWith("..", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void Every_field_is_one_of_the_API()
    {
        Assert.True(Objects().Count() >= 15);
        Assert.ThrowsAny<Exception>(() => KubernetesYaml.LoadAllFromString(
            Repository.Read($"{Base}workers.yaml").Replace("replicas:", "replicaz:"),
            strict: true));
    }

    [SkippableTheory]
    [MemberData(nameof(Folders))]
    public void What_kustomize_makes_is_of_the_API_as_well(string folder)
    {
        Skip.IfNot(File.Exists("/usr/bin/kubectl"), "kubectl is not installed");
        using Process kubectl = Process.Start(
            new ProcessStartInfo("kubectl", ["kustomize", folder])
            {
                WorkingDirectory = Repository.Root,
                RedirectStandardOutput = true,
            })!;
        string made = kubectl.StandardOutput.ReadToEnd();
        Assert.True(kubectl.WaitForExit(s_patience));
        Assert.Equal(0, kubectl.ExitCode);
        List<object> objects = KubernetesYaml.LoadAllFromString(made, strict: true);
        Assert.All(
            objects.Cast<IMetadata<V1ObjectMeta>>().Where(one => one is not V1Namespace),
            one => Assert.Equal("backprop", one.Metadata.NamespaceProperty));
        V1Deployment workers = objects.OfType<V1Deployment>().Single();
        Assert.Equal(
            objects.OfType<V2HorizontalPodAutoscaler>().Any(), workers.Spec.Replicas is null);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Pods_are_selected_and_hold_what_their_node_needs(string role)
    {
        (V1PodTemplateSpec template, V1LabelSelector selector) = Pods(role);
        Assert.Equal(selector.MatchLabels, template.Metadata.Labels);
        Assert.Single(Objects().OfType<V1PodDisruptionBudget>(), budget =>
            budget.Spec.Selector.MatchLabels.SequenceEqual(selector.MatchLabels));

        V1PodSpec pod = template.Spec;
        V1Container node = pod.Containers.Single();
        Assert.Equal(
            ["node", "--config", "/etc/backprop/node.conf", "--roles", role], node.Args);
        Assert.Equal(
            pod.Volumes.Select(volume => volume.Name).Order(),
            node.VolumeMounts.Select(mount => mount.Name).Order());
        Assert.Equal($"backprop-tls-{role}", pod.Volumes.Single(
            volume => volume.Name == "certificate").Secret.SecretName);
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.True(node.SecurityContext.ReadOnlyRootFilesystem);
        string[] probed =
        [
            node.StartupProbe.HttpGet.Path, node.ReadinessProbe.HttpGet.Path,
            node.LivenessProbe.HttpGet.Path,
        ];
        Assert.Equal(["/health/live", "/health/ready", "/health/live"], probed);

        NodeConfiguration configuration = Read(role);
        Assert.True(
            TimeSpan.FromSeconds(pod.TerminationGracePeriodSeconds!.Value)
                > 2 * configuration.Member.ShutdownGrace);
        Dictionary<string, int> ports =
            node.Ports.ToDictionary(port => port.Name, port => port.ContainerPort);
        Assert.Equal(configuration.Member.Port, ports["control"]);
        Assert.Equal(configuration.Links.Port, ports["links"]);
        Assert.Equal(configuration.Metrics.Port, ports["metrics"]);
        Assert.Equal(role == "coordinator", ports.ContainsValue(configuration.Api.Port));
    }

    [Fact]
    public void Nodes_join_at_the_names_that_coordinators_have()
    {
        V1StatefulSet coordinators = Objects().OfType<V1StatefulSet>()
            .Single(set => set.Metadata.Name == "backprop-coordinator");
        V1Service names = Objects().OfType<V1Service>()
            .Single(service => service.Metadata.Name == coordinators.Spec.ServiceName);
        Assert.Equal("None", names.Spec.ClusterIP);
        Assert.True(names.Spec.PublishNotReadyAddresses);
        ClusterConfiguration cluster = Read("coordinator").Cluster;
        Assert.Equal(coordinators.Spec.Replicas, cluster.Coordinators);
        Assert.Equal(
            Enumerable.Range(0, cluster.Coordinators).Select(i => new NodeAddress(
                $"{coordinators.Metadata.Name}-{i}.{names.Metadata.Name}", ControlPort)),
            cluster.Join);
        Assert.Equal(
            $"$(POD_NAME).{names.Metadata.Name}",
            coordinators.Spec.Template.Spec.Containers[0].Env
                .Single(variable => variable.Name == "BACKPROP__NODE__HOST").Value);
    }

    [Fact]
    public void Every_port_that_is_served_is_let_through_and_no_other()
    {
        int[] served =
        [
            .. s_roles.SelectMany(role => Pods(role).Template.Spec.Containers[0].Ports)
                .Select(port => port.ContainerPort).Distinct().Order(),
        ];
        int[] allowed =
        [
            .. Objects().OfType<V1NetworkPolicy>()
                .SelectMany(policy => policy.Spec.Ingress ?? [])
                .SelectMany(rule => rule.Ports).Select(port => int.Parse(port.Port.Value))
                .Distinct().Order(),
        ];
        Assert.Equal(served, allowed);
    }

    [Fact]
    public void The_autoscaler_asks_for_a_series_that_is_recorded()
    {
        string metric = Objects().OfType<V2HorizontalPodAutoscaler>().Single()
            .Spec.Metrics.Single().Pods.Metric.Name;
        Assert.Contains($"record: {metric}\n", Repository.Read("deploy/prometheus/scaling.yml"));
        Assert.Contains(
            $"'{metric}{{", Repository.Read("deploy/kubernetes/scaling/adapter.yaml"));
    }

    private static NodeConfiguration Read(string role) => NodeConfigurationReader.Read(
        new ConfigurationText("node.conf", Repository.Read($"{Base}node.conf")),
        new Dictionary<string, string>
        {
            ["BACKPROP__NODE__ROLES"] = role,
            ["BACKPROP__NODE__HOST"] = "10.0.0.1",
            ["BACKPROP__PERSISTENCE__CONNECTION_STRING"] = "Host=db;Database=backprop",
        });

    private static (V1PodTemplateSpec Template, V1LabelSelector Selector) Pods(string role)
    {
        string name = $"backprop-{role}";
        return Objects().OfType<V1Deployment>().SingleOrDefault(one => one.Metadata.Name == name)
            is { } deployment
            ? (deployment.Spec.Template, deployment.Spec.Selector)
            : Objects().OfType<V1StatefulSet>().Single(one => one.Metadata.Name == name) is { } set
            ? (set.Spec.Template, set.Spec.Selector)
            : throw new InvalidOperationException($"no pods of {role}");
    }

    private static IEnumerable<string> Kustomizations() =>
        Repository.FilesEnding("/kustomization.yaml");

    // Strictly: a field that the API does not have is an error.
    private static IEnumerable<object> Objects() =>
        from file in Repository.FilesEnding(".yaml")
        where file.StartsWith("deploy/kubernetes/", StringComparison.Ordinal)
            && !file.EndsWith("/kustomization.yaml", StringComparison.Ordinal)
            && Repository.Read(file).Contains("\nkind: ")
        from one in KubernetesYaml.LoadAllFromString(Repository.Read(file), strict: true)
        select one;
}
