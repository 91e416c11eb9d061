using Backprop.Distributed.Cluster;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Serialization;

/// <summary>What coordinator and nodes ask each other, to the wire and back.</summary>
internal static class NodeQuestions
{
    public static Wire.Introduction ToWire(Introduction introduction) => new()
    {
        Cluster = introduction.Cluster,
        Node = UserMessages.ToWire(introduction.Node),
        WantsAnswer = introduction.WantsAnswer,
    };

    public static Introduction FromWire(Wire.Introduction message) => new(
        WireChecks.Name(message.Cluster, "a cluster's name"),
        UserMessages.FromWire(message.Node), message.WantsAnswer);

    public static Wire.SetupRequest ToWire(SetupRequest request) =>
        new() { Run = request.Run.Value, Node = request.Node.Value };

    public static SetupRequest FromWire(Wire.SetupRequest message) =>
        new(ProtocolParts.Run(message.Run), ProtocolParts.Node(message.Node));

    public static Wire.RunSetup ToWire(RunSetup setup) => new()
    {
        Run = setup.Run.Value,
        Specification = setup.Specification,
        Outline = OutlineMessages.ToWire(setup.Outline),
    };

    public static RunSetup FromWire(Wire.RunSetup? message)
    {
        message = WireChecks.Required(message, "a run's setup");
        return new RunSetup(
            ProtocolParts.Run(message.Run), WireChecks.Specification(message.Specification),
            OutlineMessages.FromWire(message.Outline));
    }

    public static Wire.ManifestRequest ToWire(ManifestRequest request) => new()
    {
        Run = request.Run.Value,
        Version = request.Version,
        Node = request.Node.Value,
    };

    public static ManifestRequest FromWire(Wire.ManifestRequest message) => new(
        ProtocolParts.Run(message.Run), message.Version, ProtocolParts.Node(message.Node));

    public static Wire.ManifestAnswer ToWire(ManifestAnswer answer)
    {
        var message = new Wire.ManifestAnswer { Run = answer.Run.Value, Version = answer.Version };
        message.Parts.Add(answer.Parts.Select(ServerMessages.ToWire));
        return message;
    }

    public static ManifestAnswer FromWire(Wire.ManifestAnswer message) => new(
        ProtocolParts.Run(message.Run), message.Version, ServerMessages.Parts(message.Parts));

    public static Wire.OutlineRequest ToWire(OutlineRequest request) =>
        new() { Run = request.Run.Value, Specification = request.Specification };

    public static OutlineRequest FromWire(Wire.OutlineRequest message) => new(
        ProtocolParts.Run(message.Run), WireChecks.Specification(message.Specification));

    public static Wire.OutlineAnswer ToWire(OutlineAnswer answer)
    {
        var message = new Wire.OutlineAnswer
        {
            Run = answer.Run.Value,
            Node = answer.Node.Value,
            Outline = answer.Outline is { } outline ? OutlineMessages.ToWire(outline) : null,
        };
        if (answer.Refusal is { } refusal)
        {
            message.Refusal = WireChecks.ToReason(refusal);
        }

        return message;
    }

    public static OutlineAnswer FromWire(Wire.OutlineAnswer message) => new(
        ProtocolParts.Run(message.Run), ProtocolParts.Node(message.Node),
        message.Outline is { } outline ? OutlineMessages.FromWire(outline) : null,
        message.HasRefusal ? WireChecks.FromReason(message.Refusal) : null);

    public static Wire.ExaminationRequest ToWire(ExaminationRequest request) => new()
    {
        Setup = ToWire(request.Setup),
        Manifest = ResultMessages.ToWire(request.Manifest),
        UseBest = request.UseBest,
    };

    public static ExaminationRequest FromWire(Wire.ExaminationRequest message) => new(
        FromWire(message.Setup), ResultMessages.FromWire(message.Manifest), message.UseBest);

    public static Wire.ExaminationAnswer ToWire(ExaminationAnswer answer)
    {
        var message = new Wire.ExaminationAnswer
        {
            Run = answer.Run.Value,
            Node = answer.Node.Value,
            Found = answer.Found is { } found ? ToWire(found) : null,
            Model = answer.Model is { } model ? ResultMessages.ToWire(model) : null,
            IsDamaged = answer.IsDamaged,
        };
        if (answer.Failure is { } failure)
        {
            message.Failure = WireChecks.ToReason(failure);
        }

        return message;
    }

    public static ExaminationAnswer FromWire(Wire.ExaminationAnswer message) => new(
        ProtocolParts.Run(message.Run), ProtocolParts.Node(message.Node),
        message.Found is { } found ? FromWire(found) : null,
        message.Model is { } model ? ResultMessages.FromWire(model) : null,
        message.HasFailure ? WireChecks.FromReason(message.Failure) : null)
    {
        IsDamaged = message.IsDamaged,
    };

    public static Wire.StepProgress ToWire(StepProgress progress) => new()
    {
        Run = progress.Run.Value,
        Generation = progress.Generation.Value,
        Version = progress.Version,
        Loss = progress.Loss,
        GradientNorm = progress.GradientNorm,
        StepSeconds = progress.StepSeconds,
    };

    public static StepProgress FromWire(Wire.StepProgress message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation), message.Version,
        message.Loss, message.GradientNorm,
        WireChecks.Seconds(message.StepSeconds, "a step"));

    private static Wire.FinalExamination ToWire(FinalExamination found)
    {
        var message = new Wire.FinalExamination
        {
            Checkpoint = found.Checkpoint,
            WeightsSha256 = ResultMessages.ToWire(found.WeightsSha256),
            StateSha256 = ResultMessages.ToWire(found.StateSha256),
            Validation = found.Validation is { } validation
                ? ResultMessages.ToWire(validation)
                : null,
            Test = found.Test is { } test ? ResultMessages.ToWire(test) : null,
        };
        message.Notes.Add(found.Notes.Select(WireChecks.ToReason));
        return message;
    }

    private static FinalExamination FromWire(Wire.FinalExamination message) => new(
        message.Checkpoint, ResultMessages.FromWire(message.WeightsSha256),
        ResultMessages.FromWire(message.StateSha256),
        message.Validation is { } validation ? ResultMessages.FromWire(validation) : null,
        message.Test is { } test ? ResultMessages.FromWire(test) : null,
        ResultMessages.Notes(message.Notes));
}
