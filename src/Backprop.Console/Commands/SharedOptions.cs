using System.CommandLine;
using Backprop.Distributed.Configuration;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary>Arguments and options that several commands have.</summary>
internal static class SharedOptions
{
    private const int MostThreads = 1024;

    private const string JsonName = "--json";
    private const string PluginVariables = NodeConfigurationReader.EnvironmentPrefix + "PLUGINS__";

    /// <summary>That results are wanted as JSON; every command has it.</summary>
    public static Option<bool> Json() => new(JsonName)
    {
        Description = "Write JSON: one document, or a line an event where a command follows",
        Recursive = true,
    };

    /// <summary>Whether results are wanted as JSON.</summary>
    public static bool IsJson(ParseResult result) => result.GetValue<bool>(JsonName);

    /// <summary>The run's specification.</summary>
    public static Argument<string> Specification() => FileArgument(
        "SPEC", "The run's specification, for example hocon/runs/digits.conf");

    /// <summary>The file of a trained network.</summary>
    public static Argument<string> Model() => FileArgument(
        "MODEL", "A trained network, for example runs/digits/model.bpm");

    /// <summary>A file; a misspelt option is not taken for one.</summary>
    public static Argument<string> FileArgument(string name, string description)
    {
        var argument = new Argument<string>(name) { Description = description };
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: ['-', _, ..] value }])
            {
                result.AddError($"there is no option '{value}'");
            }
        });
        return argument;
    }

    /// <summary>Threads to compute with.</summary>
    /// <param name="description">What they are, and how many there usually are.</param>
    public static Option<int?> Threads(
        string description =
            "Threads that compute; the result does not depend on it [default: one a core]")
    {
        var option = new Option<int?>("--threads")
        {
            Description = description,
            HelpName = "N",
        };
        option.Validators.Add(result =>
        {
            if (result.Errors.Any() || result.Tokens.Count == 0)
            {
                return;
            }

            if (result.GetValueOrDefault<int?>() is not (>= 1 and <= MostThreads))
            {
                result.AddError($"--threads: {result.Tokens[0].Value} is not a whole number "
                    + $"from 1 to {MostThreads}");
            }
        });
        return option;
    }

    /// <summary>The node's configuration.</summary>
    public static Option<string?> Configuration() => new("--config")
    {
        Description = "The node's configuration; hocon/reference.conf documents its keys",
        HelpName = "FILE",
    };

    /// <summary>The plug-ins that the node's configuration allows, for commands that want nothing
    /// else of it.</summary>
    public static LayerPlugins Plugins(
        ParseResult result, Option<string?> configuration, CommandEnvironment environment)
    {
        string? file = result.GetValue(configuration);
        bool isSet = file is not null || environment.Variables.Keys.Any(
            name => name.StartsWith(PluginVariables, StringComparison.Ordinal));
        return isSet ? ReadNode(file, null, environment).Plugins.Load() : LayerPlugins.None;
    }

    /// <summary>Reads the node's configuration: defaults, file, environment, then the option of
    /// threads.</summary>
    public static NodeConfiguration ReadNode(
        string? file, int? threads, CommandEnvironment environment)
    {
        if (file is not null && !File.Exists(file))
        {
            throw new MistakeException($"there is no configuration '{file}'");
        }

        ConfigurationText? text =
            file is null ? null : new ConfigurationText(file, File.ReadAllText(file));
        NodeConfiguration node = NodeConfigurationReader.Read(text, environment.Variables);
        return threads is int count ? node with { ComputeThreads = count } : node;
    }
}
