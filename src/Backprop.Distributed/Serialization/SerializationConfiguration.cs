using Akka.Configuration;

namespace Backprop.Distributed.Serialization;

/// <summary>Akka's configuration under which nothing but what <c>control.proto</c> defines, and
/// Akka's own messages, is written or read.</summary>
public static class SerializationConfiguration
{
    /// <summary>To be put before Akka's defaults.</summary>
    public static Config Config { get; } = Build();

    private static Config Build()
    {
        string bindings = string.Join("\n", WireKind.All.Select(kind =>
            $"\"{NameOf(kind.Type)}\" = backprop"));
        return ConfigurationFactory.ParseString($$"""
            akka.actor {
              serializers {
                json = "{{NameOf(typeof(RefusingSerializer))}}"
                backprop = "{{NameOf(typeof(WireSerializer))}}"
              }
              serialization-identifiers {
                "{{NameOf(typeof(RefusingSerializer))}}" = {{RefusingSerializer.JsonIdentifier}}
                "{{NameOf(typeof(WireSerializer))}}" = {{WireSerializer.WireIdentifier}}
              }
              serialization-bindings {
                {{bindings}}
              }
              # Holds for what is written; what arrives under JSON's identifier meets the refusal.
              serialization-settings.allow-unregistered-types = false
            }
            """);
    }

    private static string NameOf(Type type) => $"{type.FullName}, {type.Assembly.GetName().Name}";
}
